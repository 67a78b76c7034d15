"""A canary that proves delivery: subscribers who are nobody, whose messages must arrive."""
