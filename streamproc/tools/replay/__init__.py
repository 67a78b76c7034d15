"""Replay: writes recorded records to a topic again, exactly once, at any pace."""
