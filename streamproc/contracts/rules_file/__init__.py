"""The rules file: read, checked, and turned into the rulebook of the core."""
