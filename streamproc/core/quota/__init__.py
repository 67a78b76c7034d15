"""Quota beyond buckets: prices and caps, policies, pools, roll-over, refunds."""
