"""The joint of Python and the compiled part: described once, generated for Rust, told by a hash."""
