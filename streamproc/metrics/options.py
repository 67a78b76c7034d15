"""Where metrics are served if nobody says otherwise."""

LOOPBACK = "127.0.0.1"
"""Nobody else reads figures unless an operator decides so: they show how much traffic there is."""
