"""Usage: charged to buckets, priced, counted once, taken back, summed up."""
