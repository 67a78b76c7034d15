"""A smaller plan that leaves a subscriber over the limit: what costs or is barred is told at once.

Times are the subscriber's. What is expected is written by hand, from what the account holds.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import packaged_rulebook
from streamproc.contracts.rules_file.packs import pack_names
from streamproc.core.rules.rulebook import EVERYTHING, Plan, Rulebook
from streamproc.core.rules.scope import ORDINARY_RATING_GROUP
from streamproc.core.state.account import UNLIMITED, Bucket
from streamproc.core.state.effects import PolicyChanged
from streamproc.core.state.events import AccountActivated, SmsReceived, UsageRefunded
from streamproc.core.usage.tariffs import spend_minor
from tests.support.line import GB, Line, day, reminders
from tests.support.timeline import lives

FILES = [
    "default.yaml",
    "quota.yaml",
    "showcase.yaml",
    *(f"packs/{one}.yaml" for one in pack_names()),
]
NOON = 0.5
"""In days: of a Thursday, when no summary is due."""


Change = tuple[str, str, str]
"""Of a plan into another one, while a pack is alive (empty: none)."""


def changes(rules: Rulebook) -> list[Change]:
    """Each change, without a pack and with each of them."""
    return [
        (earlier, later, pack)
        for earlier, later in permutations(rules.plans, 2)
        for pack in ("", *rules.packs)
    ]


def is_left_at_home(line: Line) -> bool:
    """Whether any bucket with bytes left covers ordinary usage at home at noon."""
    return any(_covers(line.rules, one) for one in line.account.buckets)


def _covers(rules: Rulebook, bucket: Bucket) -> bool:
    scope = rules.scopes.get(bucket.source, EVERYTHING)
    has_something = bucket.kind == UNLIMITED or bucket.remaining_bytes > 0
    return has_something and scope.covers(ORDINARY_RATING_GROUP, "home", 720)


def told_at(rules: Rulebook, change: Change) -> tuple[bool, list[str]]:
    """Whether a change of plan makes the next byte at home cost or bars it, and what is told."""
    earlier, later, pack = change
    limit = _granted(rules.plans[later])
    line = Line(rules)
    line.activate(plan=earlier)
    # As much as the later plan has, and something of the earlier one is left.
    line.use(max(min(limit, _granted(rules.plans[earlier]) - 1), 1), at=NOON - 0.1)
    if pack:
        line.top_up(pack=pack, at=NOON - 0.01)
    had_something = is_left_at_home(line)
    effects = line.change_plan(later, at=NOON)
    is_barred = any(isinstance(one, PolicyChanged) and one.state == "barred" for one in effects)
    is_priced = any(tier.price_minor for tier in rules.tariffs[later][-1].tiers)
    is_over = had_something and not is_left_at_home(line) and is_priced
    told = [one.rule for one in reminders(effects) if one.as_of == day(NOON)]
    return is_over or is_barred, told


def _granted(plan: Plan) -> int:
    """Of ordinary data."""
    found = [one for one in plan.allowances if one.scope.covers(ORDINARY_RATING_GROUP, "home", 720)]
    if any(one.unlimited for one in found):
        return 50 * GB
    return sum(one.granted_bytes for one in found)


@pytest.mark.parametrize("file", FILES)
def test_what_a_smaller_plan_makes_cost_or_bars_is_told_at_once_and_once(file: str) -> None:
    rules = packaged_rulebook(file)
    found = {change: told_at(rules, change) for change in changes(rules)}
    assert any(is_worse for is_worse, _ in found.values())
    silent = {change for change, (is_worse, told) in found.items() if is_worse and not told}
    assert silent == set()
    if file != "showcase.yaml":  # its rules say everything several times
        assert {change: told for change, (_, told) in found.items() if len(told) > 1} == {}


LIVES = [
    (
        "canada",
        """
2026-01-01 00:00  activate shared-10gb America/Toronto en-CA
2026-01-01 09:00  join parent owner
2026-01-01 09:00  join child member
2026-01-05 09:00  use 4500 MB by child
2026-01-05 10:00  pack travel-1gb
2026-01-06 23:30  plan shared-4gb
                  plan-used-up to parent: You've used all the data of your plan in Canada (Jan 6,
                    11:30 p.m.). Once no data is left, more costs $0.05 per MB.
                  plan-used-up to child: You've used all the data of your plan in Canada (Jan 6,
                    11:30 p.m.). Once no data is left, more costs $0.05 per MB.
2026-01-06 23:40  use 1 MB by child
                  overage-begins to parent: You have no data left in Canada (Jan 6, 11:40 p.m.).
                    More data costs $0.05 per MB.
                  overage-begins to child: You have no data left in Canada (Jan 6, 11:40 p.m.). More
                    data costs $0.05 per MB.
""",
    ),
    (
        "canada",
        """
2026-01-01 00:00  activate shared-10gb America/Toronto fr-CA
2026-01-05 09:00  use 4500 MB
2026-01-06 09:00  top-up 1 GB
2026-01-06 23:30  plan shared-4gb
                  plan-used-up: Vous avez utilisé toutes les données de votre forfait au Canada (6
                    janv., 23 h 30). Quand il ne restera plus de données : 0,05 $ par Mo.
2026-01-07 10:00  use 1001 MB
                  overage-begins: Vous n'avez plus de données au Canada (7 janv., 10 h 00). Ensuite
                    : 0,05 $ par Mo.
2026-02-03 10:00  use 3500 MB
2026-02-04 10:00  use 501 MB
                  (merged plan-used-up 0)
                  overage-begins: Vous n'avez plus de données au Canada (4 févr., 10 h 00). Ensuite
                    : 0,05 $ par Mo.
2026-03-03 10:00  use 4 GB
                  plan-used-up: Vous avez utilisé toutes les données de votre forfait au Canada (3
                    mars, 10 h 00). Quand il ne restera plus de données : 0,05 $ par Mo.
2026-03-03 11:00  use 1 B
                  overage-begins: Vous n'avez plus de données au Canada (3 mars, 11 h 00). Ensuite :
                    0,05 $ par Mo.
""",
    ),
    (
        "eu-roaming",
        """
2026-01-01 00:00  activate mobile-10gb Europe/Berlin en
2026-01-05 09:00  use 4500 MB
2026-01-06 09:00  pack travel-500mb
2026-01-06 23:30  plan mobile-3gb
                  plan-used-up: You've used all the data of your plan for home and the EU (Jan 6,
                    23:30). Once no data is left, more costs €0.01 per MB (excl. VAT).
2026-01-06 23:40  use 1 MB
                  data-costs: You have no data left for home and the EU (Jan 6, 23:40). More of it
                    costs €0.01 per MB (excl. VAT).
2026-02-03 10:00  use 3500 MB in eu
                  (merged plan-used-up 0)
                  data-costs: You have no data left for home and the EU (Feb 3, 10:00). More of it
                    costs €0.01 per MB (excl. VAT).
""",
    ),
    (
        "eu-roaming",
        """
2026-01-01 00:00  activate mobile-10gb Europe/Berlin de
2026-01-05 09:00  use 4500 MB
2026-01-06 09:00  pack travel-500mb
2026-01-06 23:30  plan mobile-3gb
                  plan-used-up: Das Datenvolumen Ihres Tarifs für Inland und EU ist aufgebraucht
                    (6.1., 23:30). Wenn kein anderes übrig ist, kostet weiteres 0,01 € je MB (ohne
                    MwSt.).
2026-01-06 23:40  use 1 MB
                  data-costs: Sie haben kein Datenvolumen für Inland und EU mehr (6.1., 23:40).
                    Weiteres kostet 0,01 € je MB (ohne MwSt.).
2026-02-03 10:00  use 3500 MB in eu
                  (merged plan-used-up 0)
                  data-costs: Sie haben kein Datenvolumen für Inland und EU mehr (3.2., 10:00).
                    Weiteres kostet 0,01 € je MB (ohne MwSt.).
""",
    ),
    (
        "eu-roaming",
        """
2026-01-01 00:00  activate mobile-10gb Europe/Berlin fr
2026-01-05 09:00  use 4500 MB
2026-01-06 09:00  pack travel-500mb
2026-01-06 23:30  plan mobile-3gb
                  plan-used-up: Vous avez utilisé toutes les données de votre forfait (pays et UE)
                    (06/01, 23:30). Quand il ne restera plus de données : 0,01 € par Mo (hors TVA).
2026-01-06 23:40  use 1 MB
                  data-costs: Vous n'avez plus de données (pays et UE) (06/01, 23:40). Au-delà :
                    0,01 € par Mo (hors TVA).
2026-02-03 10:00  use 3500 MB in eu
                  (merged plan-used-up 0)
                  data-costs: Vous n'avez plus de données (pays et UE) (03/02, 10:00). Au-delà :
                    0,01 € par Mo (hors TVA).
""",
    ),
    (
        "eu-roaming",
        """
2026-01-01 00:00  activate mobile-10gb Europe/Berlin pl
2026-01-05 09:00  use 4500 MB
2026-01-06 09:00  pack travel-500mb
2026-01-06 23:30  plan mobile-3gb
                  plan-used-up: Wykorzystano wszystkie dane z planu w kraju i w UE (6.01, 23:30).
                    Gdy zabraknie danych: 0,01 € za MB (netto).
2026-01-06 23:40  use 1 MB
                  data-costs: Nie masz już danych w kraju i w UE (6.01, 23:40). Dalsze kosztują 0,01
                    € za MB (netto).
2026-02-03 10:00  use 3500 MB in eu
                  (merged plan-used-up 0)
                  data-costs: Nie masz już danych w kraju i w UE (3.02, 10:00). Dalsze kosztują 0,01
                    € za MB (netto).
""",
    ),
    (
        "india",
        """
2026-01-01 00:00  activate combo-30gb Asia/Kolkata en
2026-01-05 09:00  use 10 GB
2026-01-06 23:30  plan prepaid
                  no-data-left: You have no data left (Jan 6, 23:30). Without a data pack, data in
                    India costs Rs 0.04 per 10 kB.
2026-01-06 23:40  use 1 MB
                  data-costs: No data pack covers your data in India now (Jan 6, 23:40): it costs Rs
                    0.04 per 10 kB.
2026-01-07 09:00  top-up 1 GB
2026-01-08 10:00  use 1 GB
                  (merged no-data-left)
                  data-costs: No data pack covers your data in India now (Jan 8, 10:00): it costs Rs
                    0.04 per 10 kB.
2026-02-07 09:00  pack day-1gb
2026-02-07 10:00  use 1 GB
                  (merged nearly-used 90)
                  (merged half-used 50)
                  (merged no-data-left)
                  used-up: 100% of day pack used (Feb 7, 10:00). Once no data is left, you pay Rs
                    0.04 per 10 kB.
2026-02-07 10:01  use 1 B
                  data-costs: No data pack covers your data in India now (Feb 7, 10:01): it costs Rs
                    0.04 per 10 kB.
2026-03-07 09:00  plan combo-30gb
2026-03-07 10:00  use 40 GB
                  (merged nearly-used 90)
                  (merged half-used 50)
                  (merged no-data-left)
                  used-up: 100% of Combo data used (Mar 7, 10:00). Once no data is left, you pay Rs
                    0.04 per 10 kB.
                  data-costs: No data pack covers your data in India now (Mar 7, 10:00): it costs Rs
                    0.04 per 10 kB.
                  each-10mb: You have used 10 GB without a data pack in this cycle; cost Rs
                    40,000.00 (Mar 7, 10:00).
""",
    ),
    (
        "india",
        """
2026-01-01 00:00  activate combo-30gb Asia/Kolkata hi
2026-01-05 09:00  pack balance-2gb
2026-01-06 23:30  plan prepaid
2026-01-06 23:40  use 1990 MB
                  (superseded left 500000000)
                  (merged left 100000000)
                  nearly-nothing-left: 28-दिवसीय पैक में 10 MB शेष (6 जन॰, 23:40)। डेटा न बचने पर दर
                    ₹0.04 प्रति 10 kB।
2026-01-07 10:00  use 10 MB
                  no-data-left: अब कोई डेटा शेष नहीं (7 जन॰, 10:00)। बिना पैक डेटा की दर ₹0.04 प्रति
                    10 kB।
2026-01-07 10:10  use 1 MB
                  data-costs: आपके डेटा के लिए अब कोई पैक नहीं (7 जन॰, 10:10): दर ₹0.04 प्रति 10 kB।
""",
    ),
]


@pytest.mark.parametrize(("pack", "timeline"), LIVES)
def test_a_smaller_plan_and_then_the_first_byte_that_costs(pack: str, timeline: str) -> None:
    lives(pack, timeline)


def test_after_a_refund_the_balance_is_that_of_the_smaller_plan() -> None:
    line = Line(packaged_rulebook("packs/eu-roaming.yaml"))
    place: dict[str, Any] = {"plan": "mobile-10gb", "time_zone": "Europe/Berlin", "locale": "de"}
    line.send(AccountActivated, at=0, billing_anchor_day=1, **place)
    line.use(2 * GB, at=1)
    line.use(8 * GB, at=2, id="wrong")
    line.change_plan("mobile-3gb", at=3)
    of_id: dict[str, Any] = {"of_source": "ocs", "of_id": "wrong"}
    line.send(UsageRefunded, at=2, arrives=4, refunded_bytes=8 * GB, **of_id)
    (answer,) = reminders(line.send(SmsReceived, at=5, text="0000"))
    assert "Mobil 3 GB: noch 1 GB" in answer.text


def test_late_usage_that_the_larger_plan_covered_costs_nothing() -> None:
    line = Line(packaged_rulebook("packs/china.yaml"))
    line.activate(plan="family-20gb")
    line.use(6 * GB, at=1)
    line.change_plan("basic-5gb", at=3)
    assert not reminders(line.use(2 * GB, at=2, arrives=3.004))
    assert (spend_minor(line.account, line.rules), line.account.overage_bytes) == (0, 0)
