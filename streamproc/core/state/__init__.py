"""What is kept of a subscriber, what arrives, and what goes out."""
