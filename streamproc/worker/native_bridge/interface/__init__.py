"""The interface between Python and the compiled part: described once, generated for Rust,
hashed."""
