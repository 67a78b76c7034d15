"""The entries of a rules file: their fields, types and bounds."""
