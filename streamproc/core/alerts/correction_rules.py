"""Messages of correction rules: one after the refunds of a batch."""

from __future__ import annotations

from streamproc.core.alerts.audience import of_member
from streamproc.core.alerts.message import Message, Speaker, rule_of
from streamproc.core.rules.rulebook import CorrectionRule
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import drop_empty_rare_state
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import UsageRefunded
from streamproc.core.state.message_memory import Mark
from streamproc.core.state.moment import Moment
from streamproc.core.texts.reminding import About, remind


def _is_true(moment: Moment, rule: Spoken, mark: Mark) -> bool:
    """The refund stays a fact until its cycle ends."""
    return mark.at_ms >= moment.account.cycle_start_ms


def _say(
    moment: Moment, rule: Spoken, mark: Mark, to: list[str], cycle_start_ms: int
) -> list[Effect]:
    assert isinstance(rule, CorrectionRule)
    buckets = list(moment.account.buckets)
    return remind(moment, About(rule, buckets, f"refund {mark.arming}", cycle_start_ms), to)


CORRECTED = Speaker("corrected", rule_of(CorrectionRule), _is_true, _say, of_member)


def messages_of_refund(moment: Moment, event: UsageRefunded, *, is_applied: bool) -> list[Message]:
    """The follow-up that is due now, if any. The account then forgets that it was due.

    The last refund of a batch sends it even if that refund changes nothing itself (not
    ``is_applied``).
    """
    account = moment.account
    quota = account.quota
    uncrossed = quota is not None and quota.uncrossed
    if quota is not None:
        quota.uncrossed = False
        drop_empty_rare_state(account)
    member = event.member if isinstance(event.member, str) else ""
    wanted = [
        one
        for one in moment.rules.correction_rules
        if uncrossed or (is_applied and one.when == "always")
    ]
    if wanted:
        account.grants += 1  # gives this follow-up another id than earlier ones of the cycle
    mark = Mark(moment.now_ms, arming=account.grants, detail=member)
    return [Message(CORRECTED, rule, mark, moment.cause) for rule in wanted]
