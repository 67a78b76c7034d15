"""Lives of invented subscribers, played under rules: events in, and what each phone shows.

``reading`` takes the file, ``playing`` moves the clock and keeps what happens, ``showing`` tells it
to people, ``document`` to programs, ``picture`` draws it. The worker itself is handed in.
"""
