"""The bridge to the compiled part (``native/``): its inputs, and its results."""
