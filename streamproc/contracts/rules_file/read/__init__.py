"""YAML or TOML text to plain data; the line of each field is remembered."""
