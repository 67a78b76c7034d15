"""Where hypothesis keeps what it has calculated of Unicode and of the project's sources.

In a copy of the project it would calculate all of that again, which takes seconds.
"""

from __future__ import annotations

from pathlib import Path

WHAT_HYPOTHESIS_KNOWS = {
    "HYPOTHESIS_STORAGE_DIRECTORY": str(Path(__file__).parents[2] / ".hypothesis")
}
"""Environment of tests that run in a copy. They keep no examples, because they have a budget."""
