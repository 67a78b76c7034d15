"""Whether the compiled part is installed here."""

from __future__ import annotations

from importlib.util import find_spec

IS_NATIVE = find_spec("streamproc_native") is not None
