"""What is shipped, in clean environments: too long for every change (``make shipped``).

pytest collects these files only by name, because none is called ``test_``.
"""
