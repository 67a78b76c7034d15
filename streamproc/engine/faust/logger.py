"""The logger of our subclasses of Faust's services."""

from __future__ import annotations

import logging

FAUST_LOGGER = logging.getLogger("faust.streamproc")
"""Where they say what Faust says at every step of a service."""
