"""Messages that are not about usage: services, confirmations, roaming, welcome."""
