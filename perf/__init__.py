"""Benchmarks anyone can run; each prints its figures and the machine they were taken on."""
