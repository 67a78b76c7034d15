"""Tools for operators, the hotline and rules authors: explain, play, simulate, replay, verify."""
