"""The laws as properties: the core against the oracle, and against itself."""
