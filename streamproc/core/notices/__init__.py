"""Transparent consumption: what a subscriber is told beside the figures of usage."""
