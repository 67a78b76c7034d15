"""The Faust application: settings, topics, the processor that joins engine, contracts and core."""
