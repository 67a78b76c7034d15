"""Checks of an account at an instant: forecasts, inactivity, rules whose validity begins.

A forecast calculates the rate of home data from the start of the cycle (or of the contract) until
now, whichever bucket the usage was charged to. It charges usage of that rate to all bytes that are
left: in the order of law 8, each bucket until its own end. If they run out before the end of the
cycle, a reminder is sent once; a top-up or plan change arms it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time

from streamproc.core.alerts.audience import of_account
from streamproc.core.alerts.message import Message, Speaker, rule_of
from streamproc.core.alerts.remembered_thresholds import Reached
from streamproc.core.alerts.watch_rules import reached_of
from streamproc.core.instants import NEVER_MS
from streamproc.core.rules.account_rules import CheckRule, WatchRule
from streamproc.core.rules.kinds import CHECK_KINDS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.schedule.calendar import known_zone, local_date, local_instant_ms
from streamproc.core.state.account import (
    PLAN_KINDS,
    Account,
    Bucket,
    drop_empty_rare_state,
    rare_state_of,
)
from streamproc.core.state.effects import Effect
from streamproc.core.state.message_memory import Mark
from streamproc.core.state.moment import Moment
from streamproc.core.texts.reminding import About, remind
from streamproc.core.usage.charging import crossings_between
from streamproc.core.usage.closed_cycles import used_in_cycle
from streamproc.core.usage.home_data import alike, home_data_of, is_endless
from streamproc.core.usage.own_thresholds import own_of


def next_check_ms(account: Account, rules: Rulebook) -> int:
    """The next instant at which this module has work; NEVER_MS if none."""
    soonest = NEVER_MS
    for rule in rules.created_rules:
        if rule.policy.valid_from_ms > account.clock_ms:
            soonest = min(soonest, rule.policy.valid_from_ms)
    for _, at_ms in _checks(account, rules):
        soonest = min(soonest, at_ms)
    return soonest


def note_use(account: Account, time_ms: int, rules: Rulebook) -> None:
    """Remember when something was used; an inactivity rule can fire again after it."""
    extra = rare_state_of(account)
    used_ms = max(extra.used_ms, account.activated_ms)
    extra.used_ms = max(extra.used_ms, time_ms)
    # Before that silence would be over, the account is due anyway. This use can only
    # make it due later.
    if account.clock_ms >= used_ms + rules.surely_silent_ms:
        account.next_due_ms = min(account.next_due_ms, next_check_ms(account, rules))


def edges_of_created(account: Account, at_ms: int, rules: Rulebook) -> list[Reached]:
    """The thresholds that are reached already when the validity of their rule begins."""
    edges: list[Reached] = []
    if at_ms <= account.clock_ms:
        return edges  # done: the end of a pack at this instant became known later
    for rule in rules.created_rules:
        if rule.policy.valid_from_ms != at_ms:
            continue
        if isinstance(rule, WatchRule):
            edges += [
                Reached(rule, None, threshold, threshold)
                for threshold in reached_of(account, rule, rules)
            ]
            continue
        for bucket in account.buckets:
            for one in crossings_between(
                rules, bucket, 0, bucket.used_bytes, own_of(account, rules)
            ):
                if one.rule is rule:
                    edges.append(Reached(rule, bucket, one.value, one.used_bytes))
    return edges


def due(moment: Moment, wall_ms: int) -> tuple[list[Message], list[Effect]]:
    """Messages of the checks of exactly this instant, and audit records of those that come too
    late."""
    account, rules, now_ms = moment.account, moment.rules, moment.now_ms
    messages: list[Message] = []
    missed: list[Effect] = []
    for rule, due_ms in _checks(account, rules):
        if due_ms != now_ms:
            continue
        kind = CHECK_KINDS[rule.kind]
        if not kind.has_reason(rule, AccountLook(account, rule, rules), now_ms, now_ms):
            continue
        if kind.is_once:
            rare_state_of(account).foretold[rule.id] = account.grants
        if wall_ms - now_ms > rule.misfire_grace_ms:
            missed.append(moment.audited("missed", rule=rule.id, lateness_ms=wall_ms - now_ms))
            continue
        messages.append(Message(CHECKS, rule, Mark(now_ms, arming=now_ms), moment.cause))
    return messages, missed


def forget_forecasts(account: Account) -> None:
    """In a new cycle no forecast was sent yet."""
    if account.extra is not None and account.extra.foretold:
        account.extra.foretold = {}
        drop_empty_rare_state(account)


def runs_out_ms(account: Account, at_ms: int, rules: Rulebook) -> int:
    """When home data runs out at the present rate; NEVER_MS if not before the end of the cycle."""
    buckets = _foreseen(account, account.buckets, rules)
    over = _foreseen(account, account.ended, rules)
    used = sum(used_in_cycle(account, bucket) for bucket in (*buckets, *over))
    if not used or is_endless(buckets):
        return NEVER_MS
    past_ms = at_ms - _since_ms(account)
    # Instants count from now and are multiplied by ``used``. So all of them are whole numbers.
    now = 0
    # Bucket by bucket, in charge order: each lasts until its bytes are used or until its own end.
    for bucket in buckets:
        end = (bucket.expires_ms - at_ms) * used
        if end > now:
            now = min(now + bucket.remaining_bytes * past_ms, end)
    found_ms = at_ms + now // used
    return found_ms if found_ms < account.cycle_end_ms else NEVER_MS


def _checks(account: Account, rules: Rulebook) -> Iterator[tuple[CheckRule, int]]:
    """Each check with its next instant after the account's clock."""
    if not rules.check_rules:
        return
    for rule in rules.check_rules:
        at_ms = CHECK_KINDS[rule.kind].next_ms(rule, AccountLook(account, rule, rules))
        if at_ms < NEVER_MS:
            yield rule, at_ms


class AccountLook:
    """``Look`` of ``rules/kinds/account_view.py``, for one rule."""

    __slots__ = ("_account", "_rule", "_rules", "_tz")

    def __init__(self, account: Account, rule: CheckRule, rules: Rulebook) -> None:
        self._account = account
        self._rule = rule
        self._rules = rules
        self._tz = known_zone(account.time_zone)

    @property
    def clock_ms(self) -> int:
        return self._account.clock_ms

    @property
    def last_use_ms(self) -> int:
        account = self._account
        used_ms = account.extra.used_ms if account.extra is not None else 0
        return max(used_ms, account.activated_ms)

    @property
    def since_ms(self) -> int:
        return _since_ms(self._account)

    @property
    def cycle_start_ms(self) -> int:
        return self._account.cycle_start_ms

    @property
    def cycle_end_ms(self) -> int:
        return self._account.cycle_end_ms

    @property
    def is_told(self) -> bool:
        extra = self._account.extra
        return extra is not None and extra.foretold.get(self._rule.id) == self._account.grants

    def local_day(self, instant_ms: int) -> date:
        return local_date(instant_ms, self._tz)

    def instant_ms(self, day: date, at: time) -> int:
        return local_instant_ms(day, at, self._tz)

    def left_bytes(self) -> int:
        account, rules = self._account, self._rules
        return sum(one.remaining_bytes for one in _foreseen(account, account.buckets, rules))

    def runs_out_ms(self, at_ms: int) -> int:
        return runs_out_ms(self._account, at_ms, self._rules)


def _foreseen(account: Account, buckets: list[Bucket], rules: Rulebook) -> list[Bucket]:
    """The buckets that a forecast is about: home data, with packs and top-ups.

    If the plan has no allowance of home data: the buckets that cover what its first allowance
    covers. Bytes for films only do not help a subscriber whose home data runs out.
    """
    own = [bucket for bucket in account.buckets if bucket.kind in PLAN_KINDS]
    if not own:
        return []
    return alike(buckets, (home_data_of(own, rules) or own)[0], rules)


def _since_ms(account: Account) -> int:
    return max(account.cycle_start_ms, account.activated_ms)


def _is_true(moment: Moment, rule: Spoken, mark: Mark) -> bool:
    assert isinstance(rule, CheckRule)
    look = AccountLook(moment.account, rule, moment.rules)
    return CHECK_KINDS[rule.kind].has_reason(rule, look, mark.at_ms, moment.now_ms)


def _say(
    moment: Moment, rule: Spoken, mark: Mark, to: list[str], cycle_start_ms: int
) -> list[Effect]:
    assert isinstance(rule, CheckRule)
    account, rules = moment.account, moment.rules
    buckets = list(account.buckets)
    subject = end_ms = None
    if CHECK_KINDS[rule.kind].foretells:
        end_ms = runs_out_ms(account, moment.now_ms, rules)
        buckets = _foreseen(account, buckets, rules)
        own = (bucket for bucket in buckets if bucket.kind in PLAN_KINDS)
        subject = next((one for one in own if one.source in rules.not_home_data), None)
    occasion = f"@{mark.arming}"
    about = About(rule, buckets, occasion, cycle_start_ms, subject, runs_out_ms=end_ms)
    return remind(moment, about, to)


CHECKS = Speaker("checks", rule_of(CheckRule), _is_true, _say, of_account)
