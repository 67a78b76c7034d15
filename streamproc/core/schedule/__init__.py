"""When timed rules remind: calendars, choices, moves to another time zone, and spread storms."""
