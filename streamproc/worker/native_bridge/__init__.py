"""The bridge to the compiled part (``native/``): what it is given, and what it hands back."""
