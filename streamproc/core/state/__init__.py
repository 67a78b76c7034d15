"""The state of a subscriber, the events that arrive, and the effects that leave."""
