"""What a worker does not need: the demo, the workload, the oracle, the embedded broker."""
