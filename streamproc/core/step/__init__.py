"""Applies one event to an account; lets time pass for it."""
