"""Two sets of rules over the same recorded usage, and what differs for those who are reminded."""
