"""Rules files, in YAML and in TOML, and the files of their texts."""

from __future__ import annotations

from perf.fuzz.places import EXAMPLES, PACKAGED_RULES
from perf.fuzz.target import Target, check_words
from streamproc.contracts.rules_file.load import RulesError, load_rulebook

SMALL = b"""version: 1
default_locale: en
currency: EUR
plans:
- {id: p, allowances: [{id: data, granted_bytes: 1000}], overage_price_minor: 1}
packs:
- {id: day, granted_bytes: 1000, validity_hours: 24}
rules:
- {id: low, kind: usage_percent, category: balance, thresholds: [80], texts: {en: "{percent}"}}
- {id: week, kind: cron, category: balance, cron: "0 9 * * 1", texts: {en: "{remaining}"}}
alerts: {quiet_hours: {start: "22:00", end: "07:00"}}
"""
TOML = b"""version = 1
currency = "EUR"
default_locale = "en"
[[plans]]
id = "p"
allowances = [{id = "data", granted_bytes = 1000}]
[[rules]]
id = "low"
kind = "usage_percent"
category = "balance"
thresholds = [80]
texts = {en = "{percent} used"}
"""
BASE = b"""version: 1
default_locale: en
currency: EUR
plans: [{id: p, allowances: [{id: data, granted_bytes: 1000}]}]
rules:
- {id: low, kind: usage_percent, category: balance, thresholds: [80], texts: {en: "{percent}"}}
- {id: week, kind: cron, category: balance, cron: "0 9 * * 1", texts: {en: "{remaining}"}}
"""
TEXTS = b"""low: "{percent} wykorzystane"
week: {text: "{remaining}", max_segments: 2, channels: {push: "{remaining}"}}
"""


LARGEST_TEXTS_BYTES = 2_000


def _samples() -> list[bytes]:
    # The small ones several times: they are read in a tenth of the time.
    large = [PACKAGED_RULES / "quota.yaml", PACKAGED_RULES / "commands.yaml"]
    small = [SMALL, TOML, TEXTS, *(one.read_bytes() for one in EXAMPLES.glob("*/rules.yaml"))]
    return [*(one.read_bytes() for one in large), *small * 10]


def _feed(content: bytes) -> None:
    for name in ("rules.yaml", "rules.toml"):
        _load(name, content, {})
    # A whole rules file says no more here than that no rule has such a name.
    if len(content) < LARGEST_TEXTS_BYTES:
        _load("rules.yaml", BASE, {"rules.texts/pl.yaml": content})


def _load(name: str, content: bytes, texts: dict[str, bytes]) -> None:
    try:
        load_rulebook(content, name, texts)
    except RulesError as error:
        check_words(error, "rules.")


RULES = Target("rules", "a rules file, or one of its texts", _samples, _feed, tree=True)
