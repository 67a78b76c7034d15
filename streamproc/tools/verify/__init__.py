"""Compares the stored states with a recalculation from the input."""
