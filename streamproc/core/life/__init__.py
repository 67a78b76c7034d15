"""The life of a contract: activation, cycles, plan changes, consent, profile."""
