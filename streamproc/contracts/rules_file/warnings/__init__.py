"""Probable mistakes in a correct rules file, for example rules that never fire.

A check is a function from the file to warnings, one line in :data:`CHECKS`. Every warning contains
the name of its check, so that people can look it up (docs/rules.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from streamproc.contracts.rules_file.format.entries import rules_format
from streamproc.contracts.rules_file.read.field_lines import field_name
from streamproc.contracts.rules_file.read.parse import decode, parse
from streamproc.contracts.rules_file.texts import TEXT_DEPTH, TextsDirectory
from streamproc.contracts.rules_file.warnings import (
    cost_rules,
    dates,
    missing_locales,
    silent_limits,
    subjects,
    tags,
    unreached_buckets,
    unread,
    unreported_ends,
)
from streamproc.contracts.rules_file.warnings.subject import Check, Subject

CHECKS: dict[str, Check] = {
    "no-bucket": unreached_buckets.about_no_bucket,
    "no-share": unreached_buckets.only_unlimited,
    "threshold-too-large": unreached_buckets.threshold_never_reached,
    "end-untold": unreported_ends.end_untold,
    "no-end": unreported_ends.nothing_ends,
    "no-cost": cost_rules.nothing_costs,
    "no-overage": cost_rules.nothing_goes_beyond,
    "cost-beside": cost_rules.costs_beside_home_data,
    "cap-untold": cost_rules.cap_untold,
    "limit-untold": silent_limits.limit_untold,
    "zone-price": cost_rules.other_price_in_zone,
    "never-empty": cost_rules.nothing_runs_out,
    "large-velocity": cost_rules.velocity_of_several_events,
    "date-over": dates.is_over,
    "date-outside": dates.outside_validity,
    "silent-cycle": dates.forecast_after_the_cycle,
    "nobody-chooses": subjects.nobody_chooses,
    "no-subject": subjects.notice_about_nothing,
    "missing-name": missing_locales.missing_name,
    "missing-text": missing_locales.missing_text,
    "unknown-locale": tags.unknown_locales,
    "unknown-currency": tags.unknown_currency,
    "without-effect": unread.without_effect,
}
"""The checks by name."""


def warnings_of(
    content: bytes, filename: str, texts: Mapping[str, bytes | str], today: date
) -> list[str]:
    """Warnings about a file without problems, as ``FILE:LINE: field: warning: ... [CHECK]``.

    ``today`` decides which dates are past.
    """
    data, lines = parse(decode(content, filename), filename)
    origins = TextsDirectory(texts).merge_into(data, filename)
    subject = Subject(msgspec.convert(data, rules_format()), today)
    inside: list[tuple[int, str]] = []
    outside: list[str] = []
    for name, check in CHECKS.items():
        for path, words in check(subject):
            told = f"warning: {words} [{name}]"
            origin = origins.get(path[:TEXT_DEPTH])
            if origin is not None:
                outside.append(origin.problem(path[TEXT_DEPTH:], told))
            else:
                field = f"{field_name(path)}: " if path else ""
                inside.append((lines.of(path), f"{field}{told}"))
    here = [f"{filename}:{line}: {told}" for line, told in sorted(inside)]
    return [*here, *sorted(set(outside))]
