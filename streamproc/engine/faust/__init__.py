"""All that is known here of Faust, mode and aiokafka, and every private name of theirs in use.

Each such name is listed in docs/hooks.md and held by ``tests/contract/test_hooks*.py``.
"""
