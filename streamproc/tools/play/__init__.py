"""Plays lives of invented subscribers under rules: events in, SMS on each phone out.

``reading`` takes the file, ``playing`` moves the clock and keeps what happens, ``showing`` tells it
to people, ``document`` to programs, ``picture`` draws it. The worker itself is handed in.
"""
