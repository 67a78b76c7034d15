"""The logger of our subclasses of Faust's services."""

from __future__ import annotations

import logging

FAUST_LOGGER = logging.getLogger("faust.streamproc")
"""It gets the messages that Faust itself would log at each step of a service."""
