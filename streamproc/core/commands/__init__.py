"""Two-way SMS: reads a subscriber's SMS, executes the command, and replies."""
