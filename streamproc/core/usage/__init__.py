"""Usage: charged to buckets, priced, counted once, refunded, summed up."""
