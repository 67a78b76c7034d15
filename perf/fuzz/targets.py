"""All targets, one for each entrance. Add yours in one line."""

from __future__ import annotations

from perf.fuzz.alarms import ALARMS
from perf.fuzz.brokers import BROKERS
from perf.fuzz.dispatching import DISPATCHING
from perf.fuzz.events import EVENTS
from perf.fuzz.files import FILES
from perf.fuzz.gateways import GATEWAYS
from perf.fuzz.logs import LOGS
from perf.fuzz.mappings import MAPPINGS
from perf.fuzz.message_centers import SMPP_BYTES, SMPP_PDUS
from perf.fuzz.own_files import OWN_FILES
from perf.fuzz.recordings import RECORDINGS
from perf.fuzz.records import RECORDS
from perf.fuzz.rules import RULES
from perf.fuzz.settings import SETTINGS
from perf.fuzz.target import Target
from perf.fuzz.web import WEB

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        EVENTS,
        RULES,
        GATEWAYS,
        MAPPINGS,
        *FILES,
        RECORDINGS,
        SMPP_BYTES,
        SMPP_PDUS,
        *DISPATCHING,
        *WEB,
        SETTINGS,
        *LOGS,
        *RECORDS,
        BROKERS,
        *ALARMS,
        *OWN_FILES,
    )
}
