"""``streamproc.toml`` and the variables of the environment: values of options that nobody types."""
