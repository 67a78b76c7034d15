"""Pure quota and alert semantics: no I/O, no clock, no randomness, no environment, no logging.

Everything enters through :func:`streamproc.core.step.transition.step` (an event arrived) or
:func:`streamproc.core.step.transition.advance` (time passed), and leaves as a new account and
effects.
"""
