"""Versions of the rules in the log: what changes, who holds what would be gone, who has which."""
