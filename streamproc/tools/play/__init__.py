"""Plays the lives of invented subscribers under a rules file: events in, SMS on each phone out.

``reading`` reads the file, ``playing`` moves the clock and records what happens, ``showing`` shows
it to people, ``document`` to programs, ``picture`` draws it. The caller passes in the worker.
"""
