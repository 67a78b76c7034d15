"""Two-way SMS: what a subscriber's text asks for, doing it, and the reply."""
