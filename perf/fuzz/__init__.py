"""Fuzzing: inputs of strangers, by the hundred thousand, to each entrance.

``targets.py`` lists the entrances. A new one is a module here with a :class:`Target`, and a line
there.
"""
