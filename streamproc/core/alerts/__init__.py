"""When, to whom and in what order messages are sent: the gate and its speakers."""
