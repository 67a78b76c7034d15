"""What is broken, in words and in code, and which tests must notice.

The old text stands once in all of ``streamproc/``; so a place is found wherever its module moves.
Add one where a mistake would be easy to make and hard to see: a bound, an order, what is kept.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One broken place."""

    what: str
    old: str
    new: str
    tests: str
    """Files by pattern, separated by spaces."""


CORE = "tests/unit/test_core*.py tests/unit/test_laws_by_example.py"
ALERTS = "tests/unit/test_alert_*.py tests/unit/test_gate.py"
TRUTH = "tests/property/test_truth.py"
CLOCKS = "tests/unit/test_core_time.py tests/property/test_laws_time.py"

MUTATIONS = (
    Mutation(
        "an event that comes again counts again",
        "    if ids.is_seen(name, received_ms) or (\n",
        "    if False and (\n",
        CORE,
    ),
    Mutation(
        "a bucket covers the instant of its end",
        "if not bucket.granted_ms <= time_ms < bucket.expires_ms:",
        "if not bucket.granted_ms <= time_ms <= bucket.expires_ms:",
        CORE + " tests/property/test_laws_quota.py",
    ),
    Mutation(
        "a threshold that is just reached is not told",
        "levels[low] <= after",
        "levels[low] < after",
        CORE,
    ),
    Mutation(
        "a begun unit of overage costs nothing",
        "total += -(-part // tier.unit_bytes) * tier.price_minor",
        "total += part // tier.unit_bytes * tier.price_minor",
        "tests/unit/test_alert_kinds.py tests/property/test_laws_money.py",
    ),
    Mutation(
        "a refund does not take overage first",
        "from_overage = min(event.refunded_bytes - at_first, cycle.overage_bytes)",
        "from_overage = 0",
        CORE,
    ),
    Mutation(
        "an event just as far ahead as is allowed is refused",
        "if time_ms > received_ms + limits.max_ahead_ms:",
        "if time_ms >= received_ms + limits.max_ahead_ms:",
        CORE,
    ),
    Mutation(
        "late usage from before a purchase costs without a word",
        "    if late_costs:\n        out +=",
        "    if False:\n        out +=",
        "tests/unit/test_core_late_costs.py",
    ),
    Mutation(
        "what was bought counts before its purchase",
        "if not bucket.granted_ms < at_ms <= bucket.expires_ms:",
        "if not at_ms <= bucket.expires_ms:",
        "tests/unit/test_core_late_costs.py",
    ),
    Mutation(
        "the figures of before a purchase are those of now",
        "is_known = used is not None and not any(bucket is one for one in covering)",
        "is_known = False",
        "tests/unit/test_core_late_costs.py",
    ),
    Mutation(
        "a cycle notes twice what a forgotten one used of its own top-up",
        "known.difference_update(bucket.id for bucket in oldest.buckets)",
        "known.difference_update()",
        "tests/unit/test_core_late_cycles.py",
    ),
    Mutation(
        "usage that was pushed out costs although a bucket may have covered it",
        "elif known.overlaps(scope):",
        "elif False:",
        CORE,
    ),
    Mutation(
        "after a refund, a bucket with bytes left counts as one that always had some",
        "if is_present and account.extra is not None and account.extra.freed:",
        "if False:",
        CORE,
    ),
    Mutation(
        "what cannot have covered pushed-out usage does not change its price",
        "use = usage_beyond(account, source, others, rules)",
        "use = usage_beyond(account, source, (), rules)",
        CORE,
    ),
    Mutation(
        "an event just as old as is allowed is refused",
        "if time_ms < received_ms - max_age_ms:",
        "if time_ms <= received_ms - max_age_ms:",
        CORE,
    ),
    Mutation(
        "the first instant of quiet hours is not quiet",
        "if night.start_ms <= at_ms < night.end_ms:",
        "if night.start_ms < at_ms < night.end_ms:",
        ALERTS + " tests/property/test_laws_sending.py",
    ),
    Mutation(
        "what is held goes out after its instant",
        "[one for one in _waiting_of(account) if one.until_ms <= now_ms]",
        "[one for one in _waiting_of(account) if one.until_ms < now_ms]",
        ALERTS,
    ),
    Mutation(
        "a reminder that a later one replaces is sent, too",
        "is_superseded = following is not None and following.at_ms <= wall_ms",
        "is_superseded = False",
        "tests/driver/test_time.py",
    ),
    Mutation(
        "a threshold with hysteresis is armed at its level",
        "return bucket.used_bytes >= max(",
        "return bucket.used_bytes > max(",
        "tests/unit/test_alert_*.py tests/property/test_laws_alerts.py",
    ),
    Mutation(
        "of an hour that comes twice the second is meant",
        "early = naive.replace(tzinfo=tz, fold=0)",
        "early = naive.replace(tzinfo=tz, fold=1)",
        CLOCKS,
    ),
    Mutation(
        "a storm is not spread",
        "return planned_ms + begin + (place * length >> 64)",
        "return planned_ms + begin",
        CLOCKS + " tests/house/test_schedules_docs.py tests/driver/test_storm.py",
    ),
    Mutation(
        "a part of a long SMS holds as many characters as a single one",
        "-(-length // 153)",
        "-(-length // 160)",
        "tests/unit/test_texts_segments.py",
    ),
    Mutation(
        "69 Chinese characters are a long SMS",
        '"surrogatepass")) <= 140:',
        '"surrogatepass")) <= 136:',
        "tests/unit/test_texts_segments.py",
    ),
    Mutation(
        "a log shows one more digit of a number",
        "_SHOWN: Final = 5",
        "_SHOWN: Final = 6",
        "tests/unit/test_logs.py tests/unit/test_dispatch_scheduler.py "
        "tests/commands/test_explain.py",
    ),
    Mutation(
        "an answer at the deadline is too late by one instant only",
        "if one.deadline_ms <= now_ms]",
        "if one.deadline_ms < now_ms]",
        "tests/unit/test_notices.py tests/unit/test_laws_by_example.py"
        " tests/property/test_confirmation.py",
    ),
    Mutation(
        "an answer counts for a question that was asked after it",
        "if one.asked_ms <= sent_ms and",
        "if",
        "tests/unit/test_notices.py tests/unit/test_commands.py"
        " tests/property/test_confirmation.py",
    ),
    Mutation(
        "a change of plan for the next cycle holds at once",
        'if event.effective == "next_cycle" and now_ms >= account.cycle_start_ms:',
        "if False:",
        CORE,
    ),
    Mutation(
        "input that comes again is applied again",
        "if records[0].offset < position:",
        "if False:",
        "tests/driver/test_commit.py",
    ),
    Mutation(
        "every chunk is a commit",
        "now - self._last_commit >= self._settings.commit_interval_seconds",
        "True",
        "tests/unit/test_engine_partition.py",
    ),
    Mutation(
        "the progress of this release is taken for one of a later one",
        "if found.version > PROGRESS_VERSION:",
        "if found.version >= PROGRESS_VERSION:",
        "tests/contract/test_golden.py",
    ),
    Mutation(
        "what falls due in the span that is being done is forgotten",
        "if number <= self._opened:",
        "if number < self._opened:",
        "tests/property/test_due_queue.py tests/property/test_engine_rows.py",
    ),
    Mutation(
        "the first wait after a failure is twice as long",
        "2 ** min(attempts - 1, 24)",
        "2 ** min(attempts, 24)",
        "tests/unit/test_dispatch_*.py",
    ),
    Mutation(
        "a gateway that was down is tried by all at once",
        "(now_ms >= self.open_until_ms and not self._probing)",
        "now_ms >= self.open_until_ms",
        "tests/unit/test_dispatch_*.py",
    ),
    Mutation(
        "a spool forgets an event that was not delivered",
        "if following <= number + 1:",
        "if following <= number + 2:",
        "tests/unit/test_producer_*.py",
    ),
    Mutation(
        "a value of exactly the greatest size is refused",
        "if value is not None and len(value) > max_bytes:",
        "if value is not None and len(value) >= max_bytes:",
        "tests/contract/test_codec.py",
    ),
    Mutation(
        "a text about several buckets has the figures of the first",
        "self.granted, self.used, self.remaining = shown_bytes",
        "self.granted, self.used, self.remaining = shown(named[:1])",
        TRUTH,
    ),
    Mutation(
        "the price of the first tier is told for ever",
        "return next(one for one in reversed(tariff.tiers) if one.from_bytes <= used)",
        "return next(iter(tariff.tiers))",
        TRUTH,
    ),
    Mutation(
        "the end of a pack is told as that of the cycle",
        "return local_end(subject.expires_ms if subject else account.cycle_end_ms, account)",
        "return local_end(account.cycle_end_ms, account)",
        TRUTH,
    ),
    Mutation(
        "a person who left a pool is told",
        "users = [member] if member in quota.members else others or owners",
        "users = [member] if member else others or owners",
        TRUTH,
    ),
    Mutation(
        "everybody's period is that of the last message to anybody",
        "base = bases.get(_own(rule_id, to), bases.get(rule_id))",
        "base = bases.get(rule_id)",
        TRUTH,
    ),
    Mutation(
        "a pack has the name of another",
        "name = name_in(rules.source_names.get(bucket.source), bucket.source, locale, rules)",
        "name = name_in(next(iter(rules.source_names.values())), bucket.source, locale, rules)",
        TRUTH,
    ),
    Mutation(
        "data for films are summed up with home data",
        "    return [bucket for bucket in buckets if bucket.source not in elsewhere]",
        "    return [bucket for bucket in buckets if bucket.source or elsewhere]",
        TRUTH,
    ),
    Mutation(
        "less than a megabyte is told as used up",
        "part = exact.get(value)",
        "part = exact.get(0 if kind is Kind.BYTES and value < 10**6 else value)",
        TRUTH,
    ),
    Mutation(
        "the last day is the day of the end",
        "else local_end_minute // DAY_MINUTES - 1",
        "else local_end_minute // DAY_MINUTES",
        TRUTH,
    ),
    Mutation(
        "every amount is in dollars",
        "narrow = NARROW_SIGNS.get(currency, sign)",
        'narrow = "$"',
        TRUTH,
    ),
    Mutation(
        "the spend of all tariffs is told for one",
        "tariff = rule.tariff if isinstance(rule, WatchRule) else None",
        "tariff = None",
        TRUTH,
    ),
    Mutation(
        "costs that have ended are not told",
        '        if spend_minor(account, rule.tariff or "", rules) > 0:',
        "        if False:",
        TRUTH,
    ),
    Mutation(
        "what rolls over is told as lost",
        "buckets = lost_with_cycle(account, rule, rules)",
        "buckets = ending_with_cycle(account, rule)",
        TRUTH,
    ),
    Mutation(
        "everybody reads the default language",
        "text = text_of(rule.id, rule.texts, REMINDER, account.locale, rules)",
        "text = text_of(rule.id, rule.texts, REMINDER, rules.default_locale, rules)",
        TRUTH,
    ),
    Mutation(
        "a message that is no longer true gives way to none",
        "waiting.lower = lower_marks(list(lower), mark.threshold)",
        "waiting.lower = []",
        TRUTH,
    ),
    Mutation(
        "an owner reads the share of a member as the reader's own",
        "if member and member != reader:",
        "if False:",
        TRUTH,
    ),
    Mutation(
        "a welcome tells the price of the zone, whatever the plan charges there",
        "if zones is not None and zone in zones else None",
        "if False else None",
        TRUTH,
    ),
    Mutation(
        "an Arabic text that begins with a Latin name runs from left to right",
        'if first == "L" else text',
        "if False else text",
        TRUTH,
    ),
)
