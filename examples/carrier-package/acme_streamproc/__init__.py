"""What the carrier Acme adds to streamproc."""
