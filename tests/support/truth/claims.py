"""The claims of the words in packaged texts, in each language, and when they are true."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from streamproc.core.rules.scope import Scope
from streamproc.lab.oracle.buckets import remaining
from tests.support.truth.account import HOME, UNLIMITED
from tests.support.truth.figures import OF_BUCKET, OF_END, Facts
from tests.support.truth.limits import is_capped, limits_of

LIMITS = ("spend_percent", "access_limited")
OF_DATA = (*OF_BUCKET, *OF_END, "usage_summary", "before_cycle_end", "overage_started")


class Claim(NamedTuple):
    """Words that are true only under a condition."""

    name: str
    kinds: tuple[str, ...]
    """Kinds of rules: the same words can mean something else in others."""
    words: dict[str, str]
    """By language: a regular expression."""
    is_so: Callable[[Facts], bool]

    def is_made_by(self, text: str, locale: str, kind: str) -> bool:
        pattern = self.words.get(locale.partition("-")[0])
        return kind in self.kinds and bool(pattern) and re.search(str(pattern), text) is not None


def _is_used_up(facts: Facts) -> bool:
    """Nothing is left of a bucket that existed. A subscriber who never had data has used up
    none."""
    is_of_account = facts.rule.kind in ("usage_summary", "usage_corrected", "before_cycle_end")
    return _is_nothing_left(facts) and (not is_of_account or facts.sums.granted > 0)


def _is_nothing_left(facts: Facts) -> bool:
    """Nothing is left of the named thing: a bucket, the home data, or the data of a tariff."""
    if facts.rule.kind in ("overage_started", "access_limited"):
        return not facts.state.covering(_scope_beyond(facts))
    if facts.rule.kind == "zero_balance":
        return all(one["kind"] != UNLIMITED and not remaining(one) for one in facts.state.live)
    if facts.rule.kind in (*OF_BUCKET, *OF_END):
        subject = facts.subject
        return subject is not None and subject["kind"] != UNLIMITED and remaining(subject) == 0
    return facts.sums.remaining == 0


def _scope_beyond(facts: Facts) -> Scope:
    """The usage that an overage rule is about: that of its tariff, else ordinary usage at home."""
    tariff = getattr(facts.rule, "tariff", None) or ""
    plan = facts.rules.plans.get(facts.state.plan)
    if tariff and plan is not None:
        return next(one.scope for one in plan.all_tariffs if one.id == tariff)
    return Scope(roaming_zones=frozenset({HOME}))


def _costs_now(facts: Facts) -> bool:
    """No bucket covers the next byte, and it has a price."""
    tariff = getattr(facts.rule, "tariff", None) or ""
    price = facts.state.next_price(tariff)
    return not facts.state.covering(_scope_beyond(facts)) and bool(price and price[0])


def _costs_after(facts: Facts) -> bool:
    """No other bucket covers the same usage, and the next byte has a price."""
    subject = facts.subject
    if subject is None:
        return False
    scope = facts.state.scope(subject)
    others = [one for one in facts.state.covering(scope) if one["id"] != subject["id"]]
    price = facts.state.next_price(facts.state.tariff_beyond(subject["source"]))
    return not others and bool(price and price[0])


def _is_stopped(facts: Facts, rule: Any = None) -> bool:
    """What a rule about a limit says: its cap is reached, or one of its policies is in force."""
    rule = rule or facts.rule
    if rule.kind == "spend_percent":
        return is_capped(facts.state, rule.tariff or "")
    return not rule.policies.isdisjoint(limits_of(facts.state))


def _goes_on(facts: Facts) -> bool:
    """None of the limits whose end a message reports is in force."""
    limits = [facts.rules.rules_by_id[one] for one in facts.rule.of]
    return not any(_is_stopped(facts, one) for one in limits if one.kind in LIMITS)


CLAIMS = (
    Claim(
        "used up",
        OF_DATA,
        {
            "en": r"(is|are) used up|data used up|used all|100% of",
            "zh": r"已全部用完|已用完|用罄",
            "pl": r"\bwykorzystan|Wykorzystano (?![{\d])",
            "ru": r"израсходован\b",
            "ar": r"نفد|استُهلكت بالكامل",
            "de": r"ist verbraucht|aufgebraucht",
            "fr": r"épuisé|avez utilisé toutes",
            "es": r"agot|Ha usado (los|todos)",
            "hi": r"समाप्त",
        },
        _is_used_up,
    ),
    Claim(
        "nothing left",
        (*OF_DATA, "usage_corrected", "zero_balance", "access_limited"),
        {
            "en": r"no data left|[Nn]o (general|domestic) data( is)? left|No data pack covers",
            "zh": r"[无無]可用|[没沒]有可用",
            "pl": r"brak danych do dowolnego użytku|(Nie|nie) masz już danych",
            "ru": r"[Оо]бщего трафика( больше)? нет|У вас (больше нет|не осталось) трафика",
            "ar": r"لا بيانات عامة|لم تعد لديك بيانات|لم يعد لديك أي بيانات",
            "de": r"Sie haben keine? .{,40} mehr",
            "fr": r"n'avez plus de données",
            "es": r"No le quedan datos",
            "hi": r"कोई पैक नहीं|कोई डेटा शेष नहीं",
        },
        _is_nothing_left,
    ),
    Claim(
        "costs now",
        OF_DATA,
        {
            "en": r"now costs?|[Ff]rom now on|More of it(}})? costs|[Ii]t costs",
            "zh": r"此后[按依]|此後依|现按|現按",
            "pl": r"Za (nie|dalsze) zapłacisz|dalsze}} zapłacisz|"
            r"(Dane|Dalsze)(}})? kosztują|kosztują teraz",
            "ru": r"Дальше плата|Плата —",
            "ar": r"من الآن",
            "de": r"(Es|Weiteres)(}})? kostet|kosten jetzt",
            "fr": r"Au-delà|Tarif :|coûtent maintenant",
            "es": r"Ahora cuestan|: cuestan|cuestan ahora",
            "hi": r": दर|अब कोई पैक नहीं",
        },
        _costs_now,
    ),
    Claim(
        "costs after",
        OF_BUCKET,
        {
            "en": r"After that, out-of-bundle prices apply",
            "zh": r"用[尽完]后按套餐外",
            "pl": r"Potem ceny spoza pakietu",
            "ru": r"Далее действуют цены вне пакета",
        },
        _costs_after,
    ),
    Claim(
        "stopped",
        LIMITS,
        {
            "en": r"has stopped|is suspended|suspended:|is slower now",
            "pl": r"wyłączony|zawieszon|wstrzyman|wolniejsza",
            "de": r"ist gestoppt",
            "fr": r"itinérance coupées|suspendue?s? :",
            "ru": r"остановлена|Скорость снижена",
            "zh": r"上网已暂停|上網已暫停|网速已降低|網速已降低",
            "ar": r"توقفت|انخفضت سرعة",
        },
        _is_stopped,
    ),
    Claim(
        "works again",
        ("resolved",),
        {
            "en": r"works again|no longer slowed down",
            "pl": r"znów działa|nie jest już spowolniona",
            "de": r"funktioniert wieder",
            "fr": r"fonctionnent de nouveau",
            "ru": r"снова работает|больше не ограничена",
            "zh": r"已恢复|已恢復|不再受限",
            "ar": r"عادت|لم تعد سرعة",
        },
        _goes_on,
    ),
)


def claims_of(text: str, locale: str, kind: str) -> list[Claim]:
    """The claims in the words of a text, or of a template."""
    return [one for one in CLAIMS if one.is_made_by(text, locale, kind)]
