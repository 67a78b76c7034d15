"""Bytes to types and back: the contracts with billing, provisioning and messaging teams."""
