"""What correction rules say: the follow-up of refunds, one for a batch of them."""

from __future__ import annotations

from streamproc.core.alerts.audience import of_member
from streamproc.core.alerts.message import Message, Speaker, rule_of
from streamproc.core.rules.rulebook import CorrectionRule, Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account, drop_empty_extra
from streamproc.core.state.effects import Cause, Effect
from streamproc.core.state.events import UsageRefunded
from streamproc.core.state.gate import Mark
from streamproc.core.texts.reminding import remind


def _is_true(account: Account, rule: Spoken, mark: Mark, at_ms: int, rules: Rulebook) -> bool:
    """What was told stays untrue for as long as its cycle lasts."""
    return mark.at_ms >= account.cycle_start_ms


def _say(
    account: Account,
    subscriber: str,
    rule: Spoken,
    mark: Mark,
    to: list[str],
    cycle_start_ms: int,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> list[Effect]:
    assert isinstance(rule, CorrectionRule)
    return remind(
        account,
        subscriber,
        rule,
        list(account.buckets),
        None,
        None,
        f"refund {mark.arming}",
        cycle_start_ms,
        as_of_ms,
        cause,
        rules,
        to,
    )


CORRECTED = Speaker("corrected", rule_of(CorrectionRule), _is_true, _say, of_member)


def messages_of_refund(
    account: Account,
    event: UsageRefunded,
    now_ms: int,
    cause: Cause,
    rules: Rulebook,
    *,
    is_applied: bool,
) -> list[Message]:
    """The follow-up that is due now, if any; the account forgets that it was.

    The last refund of a batch brings it even if it changes nothing itself (not ``is_applied``).
    """
    quota = account.quota
    uncrossed = quota is not None and quota.uncrossed
    if quota is not None:
        quota.uncrossed = False
        drop_empty_extra(account)
    member = event.member if isinstance(event.member, str) else ""
    wanted = [
        one for one in rules.correction_rules if uncrossed or (is_applied and one.when == "always")
    ]
    if wanted:
        account.grants += 1  # tells this follow-up from others of the cycle
    mark = Mark(now_ms, arming=account.grants, detail=member)
    return [Message(CORRECTED, rule, mark, cause) for rule in wanted]
