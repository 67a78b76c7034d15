"""Topics on a broker: planned from the registry, made if that is asked for, checked at a start."""
