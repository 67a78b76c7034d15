"""Pure quota and alert semantics: no I/O, no clock, no randomness, no environment, no logging.

Input enters through :func:`streamproc.core.step.transition.step` (an event arrived) or
:func:`streamproc.core.step.transition.advance` (time passed). The result is a new account and
effects.
"""
