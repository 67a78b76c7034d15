"""When timed rules send reminders: calendars, choices, moves to another time zone, storms."""
