"""All targets, one for each entrance. Add yours in one line."""

from __future__ import annotations

from perf.fuzz.events import EVENTS
from perf.fuzz.files import FILES
from perf.fuzz.gateways import GATEWAYS
from perf.fuzz.mappings import MAPPINGS
from perf.fuzz.recordings import RECORDINGS
from perf.fuzz.rules import RULES
from perf.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        EVENTS,
        RULES,
        GATEWAYS,
        MAPPINGS,
        *FILES,
        RECORDINGS,
    )
}
