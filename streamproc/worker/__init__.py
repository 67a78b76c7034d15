"""The Faust application: settings, topics, and the processor that connects engine, contracts and
core."""
