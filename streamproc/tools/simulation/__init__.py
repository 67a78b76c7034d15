"""Applies two sets of rules to the same recorded usage, and compares the messages."""
