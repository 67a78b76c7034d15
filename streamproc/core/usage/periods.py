"""Usage since a periodic rule's last message: ``{period_used}`` of summaries and schedules.

For each rule whose texts use the placeholder, the account keeps how many bytes were charged at the
last message. The first period begins with the contract. If a rule sends nothing to a subscriber
(opted out, another plan, no summaries chosen), its period begins with each cycle. So its next
message does not report the usage of a year. Rules without ``{period_used}`` need no memory.

In a pool each recipient has a period of their own, because a cap can delay the message to one of
them. A recipient whose period began with an earlier message than the rule's last one has a separate
entry.
"""

from __future__ import annotations

import re
from typing import Final

from streamproc.core.rules.kinds import TIMED_KINDS
from streamproc.core.rules.placeholders import PERIOD_USED
from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.core.schedule.choices import timed_rules_of
from streamproc.core.state.account import Account
from streamproc.core.usage.closed_cycles import used_in_cycle

_NAMED = re.compile(rf"\{{\s*{PERIOD_USED}\b")
"""It also finds a placeholder in quotes; then the account keeps a number that is not needed."""
_OF: Final = "\0"
"""Separator between rule id and recipient in the key of a recipient's entry."""
_PREPARED = ("", PERIOD_USED)
"""Key in ``Rulebook.prepared``. No owner of texts has an empty id, so it is free."""


def rules_with_period(rules: Rulebook) -> frozenset[str]:
    """Ids of the rules with a text that shows the usage of a period."""
    found: frozenset[str] | None = rules.prepared.get(_PREPARED)
    if found is None:
        found = frozenset(
            rule.id
            for rule in rules.timed_rules
            if has_period(rule)
            and any(_NAMED.search(template) for template in _templates(rule, rules))
        )
        rules.prepared[_PREPARED] = found
    return found


def has_period(rule: TimedRule) -> bool:
    """Whether rules of this kind have periods."""
    return PERIOD_USED in TIMED_KINDS[rule.kind].placeholders


def _templates(rule: TimedRule, rules: Rulebook) -> list[str]:
    """A rule's texts in all locales, for all channels."""
    found = list(rule.texts.values())
    for locale in rule.texts:
        options = rules.text_options.get((rule.id, locale))
        if options is not None:
            found += options.channels.values()
    return found


def used_in_period(account: Account, rule: TimedRule, to: str) -> int:
    """Bytes charged since the rule's last message to a recipient, or since the start of the
    contract or cycle.

    If nothing is kept yet, because the rule is new, it is the usage of the present cycle. For a
    recipient who joined a pool since then, it is the usage since the rule's last message to
    anybody.
    """
    return max(account.charged_bytes - _base(account, rule.id, to), 0)


def _base(account: Account, rule_id: str, to: str) -> int:
    """Bytes that had been charged when a recipient's period began."""
    bases = account.period_bases
    base = bases.get(_own(rule_id, to), bases.get(rule_id))
    if base is not None:
        return base
    used_bytes = account.overage_bytes + sum(
        used_in_cycle(account, bucket) for bucket in (*account.ended, *account.buckets)
    )
    return account.charged_bytes - used_bytes


def _own(rule_id: str, to: str) -> str:
    """The key of a recipient's separate entry."""
    return f"{rule_id}{_OF}{to}"


def of_one_period(
    account: Account, rule: TimedRule, to: list[str], rules: Rulebook
) -> list[list[str]]:
    """The recipients of a message, grouped by equal periods of the rule."""
    if len(to) == 1 or rule.id not in rules_with_period(rules):
        return [to]
    found: dict[int, list[str]] = {}
    for one in to:
        found.setdefault(_base(account, rule.id, one), []).append(one)
    return list(found.values())


def begin_contract(account: Account, rules: Rulebook) -> None:
    """A contract begins, and every period with it."""
    account.period_bases = dict.fromkeys(sorted(rules_with_period(rules)), account.charged_bytes)


def begin_cycle(account: Account, rules: Rulebook) -> None:
    """A cycle begins. Periods of rules that are new, or that send nothing to the subscriber, begin
    too."""
    wanted = rules_with_period(rules)
    if not wanted:
        account.period_bases = {}
        return
    spoken = {
        rule.id
        for rule in timed_rules_of(account, rules)
        if rule.mandatory or rule.category not in account.opted_out
    }
    bases = account.period_bases
    account.period_bases = {
        name: bases[name] if name in bases and name in spoken else account.charged_bytes
        for name in sorted(wanted)
    }
    for key, base in bases.items():
        name, is_own, _ = key.rpartition(_OF)
        if is_own and name in wanted and name in spoken:
            account.period_bases[key] = base


def note_told(
    account: Account, rule: TimedRule, to: list[str], everybody: list[str], rules: Rulebook
) -> None:
    """A rule has sent a message ``to`` some of ``everybody``. A new period begins for these; the
    period of the others continues."""
    if rule.id not in rules_with_period(rules):
        return
    bases, charged_bytes = account.period_bases, account.charged_bytes
    waiting = {
        _own(rule.id, one): _base(account, rule.id, one) for one in everybody if one not in to
    }
    for key in [one for one in bases if one.rpartition(_OF)[0] == rule.id]:
        del bases[key]
    bases[rule.id] = charged_bytes
    bases.update({key: base for key, base in waiting.items() if base != charged_bytes})


def leave_out(account: Account, charged_bytes: int) -> None:
    """Exclude usage that was just charged for an earlier contract (or taken back: less than 0)."""
    for name in account.period_bases:
        account.period_bases[name] += charged_bytes


def note_refund(account: Account) -> None:
    """Adapt the periods to a refund: no period may begin with a larger number than is charged
    now."""
    bases, charged_bytes = account.period_bases, account.charged_bytes
    for name, base in bases.items():
        bases[name] = min(base, charged_bytes)
