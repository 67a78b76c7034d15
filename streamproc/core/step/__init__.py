"""One event applied to an account; time that passes for it."""
