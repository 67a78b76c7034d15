"""Rules and notices about choices, services and zones that the file does not have."""

from __future__ import annotations

from streamproc.contracts.rules_file.format.conversation import (
    AnyNoticeEntry,
    BeforeChargeEntry,
    ChargedEntry,
    ChargedInErrorEntry,
    ChargeQuestionEntry,
    PlanAdviceEntry,
    RefundedEntry,
    RoamingWelcomeEntry,
    SubscriptionQuestionEntry,
)
from streamproc.contracts.rules_file.warnings.subject import Subject, Warned
from streamproc.core.rules.kinds.usage_summary import UsageSummaryEntry

_OF_SERVICES = (
    SubscriptionQuestionEntry,
    ChargeQuestionEntry,
    BeforeChargeEntry,
    ChargedEntry,
    ChargedInErrorEntry,
    RefundedEntry,
)


def nobody_chooses(subject: Subject) -> Warned:
    """A summary that subscribers must ask for, in a file without a command for it."""
    if subject.file.commands is not None:
        return
    for path, rule in subject.rules(UsageSummaryEntry):
        if rule.only_chosen:
            yield (
                (*path, "only_chosen"),
                "nobody can choose it by SMS, because the file has no commands: it speaks only to "
                "those whom account.preferences_set events name",
            )


def notice_about_nothing(subject: Subject) -> Warned:
    """A notice about services, zones or other plans, in a file without any."""
    for index, notice in enumerate(subject.file.notices):
        lacking = _lacking(subject, notice)
        if lacking:
            yield ("notices", index), f"never speaks: the file has no {lacking}"


def _lacking(subject: Subject, notice: AnyNoticeEntry) -> str:
    file = subject.file
    if isinstance(notice, _OF_SERVICES) and not file.services:
        return "services"
    if isinstance(notice, RoamingWelcomeEntry) and not file.roaming_zones:
        return "roaming_zones"
    if isinstance(notice, PlanAdviceEntry) and len(file.plans) < 2:
        return "other plan that could be better"
    return ""
