"""The only package that knows Faust, mode and aiokafka, with every private name that we use.

docs/hooks.md lists each such name, and ``tests/contract/test_hooks*.py`` check it.
"""
