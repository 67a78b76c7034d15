"""When, to whom and in what order messages go out: the gate, and what wants to pass it."""
