"""Services, confirmations, trips, advice and texts: the core does what the oracle expects.

Stories of the workload, compared after every record, whatever the timers look at in between.
"""

from __future__ import annotations

import random
from datetime import time
from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streamproc.core.commands.parsing import grammar_of
from streamproc.core.instants import DAY_MS, HOUR_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import UNRESTRICTED, AlertPolicy, Cap, Policy, QuietHours
from streamproc.lab.oracle.spelling import meaning
from streamproc.lab.workload import WorkloadSettings
from streamproc.lab.workload_talk import mixed
from tests.property.budget import budget
from tests.property.world import World
from tests.support.talking import talking_rules

FIGURES = (
    ("    saving_minor: 500", "    cycles: 1\n    saving_minor: 500"),
    ("answer_seconds: 3600", "answer_seconds: 600"),
)
SMALL = "    price_minor: 1000\n    overage_price_minor: 10\n"
LARGE = "    price_minor: 5000\n    overage_price_minor: 5\n"
TIERS = "    overage_tiers: [{from_bytes: 5_000_000, price_minor: 1}]\n"
ABROAD = "    tariffs: [{id: abroad, roaming_zones: [eu], overage_price_minor: 9}]\n"
ENDLESS = ("{id: much, granted_bytes: 10_000_000_000}", "{id: much, unlimited: true}")
PRICES = (
    (),
    ((SMALL, SMALL + TIERS),),
    ((SMALL, SMALL + "    cost_cap_minor: 500\n"),),
    ((LARGE, LARGE + ABROAD), ENDLESS),
)
"""What plans may ask beside a price."""

WEEKLY = "kind: usage_summary"
LOW = "kind: usage_percent\n    thresholds: [80, 100]"
SERVED: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    ((WEEKLY, f"{WEEKLY}\n    plans: [large]"),),
    ((WEEKLY, f"{WEEKLY}\n    mandatory: true"),),
    ((LOW, "kind: remaining_bytes\n    thresholds: [0]"),),
    ((LOW, f"{LOW}\n    mandatory: true"), (WEEKLY, f"{WEEKLY}\n    segments: [young]")),
)
"""Rules that serve what subscribers choose, or do not."""

NIGHT = QuietHours(time(22), time(8))
SENDING = (
    AlertPolicy(NIGHT),
    AlertPolicy(NIGHT, (Cap(2, 6 * HOUR_MS),)),
    AlertPolicy(QuietHours(time(7), time(5)), (Cap(3, DAY_MS), Cap(1, 60_000))),
)
"""What holds notices back; None: nothing does."""


@cache
def talked_of(
    max_replies: int,
    prices: tuple[tuple[str, str], ...],
    alerts: AlertPolicy | None,
    served: tuple[tuple[str, str], ...] = (),
) -> Rulebook:
    replies = ("max_replies: 20", f"max_replies: {max_replies}")
    rules = talking_rules(*FIGURES, *prices, *served, replies)
    at_once = {} if alerts else {"policy": Policy(in_quiet_hours="send")}
    return Rulebook(
        tuple(rules.plans.values()),
        tuple(rules.packs.values()),
        tuple(replace(one, **at_once) for one in rules.usage_rules),
        tuple(replace(one, **at_once) for one in rules.timed_rules),
        rules.limits,
        rules.default_locale,
        rules.currency,
        alerts or UNRESTRICTED,
        services=tuple(rules.services.values()),
        zones=tuple(rules.zones.values()),
        notices=tuple(replace(one, **at_once) for one in rules.notices.values()),
        commands=rules.commands,
    )


@budget(30)
@given(
    seed=st.integers(0, 2**32 - 1),
    stories=st.integers(5, 60),
    subscribers=st.integers(1, 4),
    max_replies=st.sampled_from([1, 4, 20]),
    prices=st.sampled_from(PRICES),
    alerts=st.sampled_from([None, *SENDING]),
    served=st.sampled_from(SERVED),
)
def test_stories_end_as_the_oracle_expects(
    seed: int,
    stories: int,
    subscribers: int,
    max_replies: int,
    prices: tuple[tuple[str, str], ...],
    alerts: AlertPolicy | None,
    served: tuple[tuple[str, str], ...],
) -> None:
    rules = talked_of(max_replies, prices, alerts, served)
    settings = WorkloadSettings(
        seed=seed, events=60, subscribers=subscribers, account_share=0.2, close_share=0.2
    )
    world = World(rules, to_ms(settings.start))
    chance = random.Random(seed)
    names = [f"86138{number:08d}" for number in range(subscribers)]
    for record in mixed(settings, rules, stories):
        if chance.random() < 0.2:
            world.clock_ms = max(world.clock_ms, record.timestamp_ms)
            world.tick(chance.sample(names, chance.randrange(1, subscribers + 1)))
        world.arrive(record.key, record.value, record.timestamp_ms)
    world.clock_ms += 70 * DAY_MS
    world.finish()
    assert all(one.decided_once for one in world_facts(world))


class _Facts:
    """What the orders of one subscriber say by themselves."""

    def __init__(self, world: World, name: str) -> None:
        found = world.found[name]
        asked = found.audit["asked"]
        decided = sum(
            count for key, count in found.orders.items() if key.type == "confirmation.decided"
        )
        at_once = found.audit["confirmed"] + found.audit["refused"] + found.audit["timed_out"]
        # Every question is decided; what needed no question was decided, too.
        self.decided_once = decided == at_once >= asked


def world_facts(world: World) -> list[_Facts]:
    return [_Facts(world, name) for name in world.ledgers]


RULES = talked_of(20, (), None)
assert RULES.commands is not None
GRAMMAR = grammar_of(RULES, RULES.commands)
WORDS = sorted(
    {
        *(word for words in RULES.commands.keywords.values() for word in words),
        *(word for words in RULES.commands.words.values() for word in words),
        *(word for words in RULES.commands.categories.values() for word in words),
        *RULES.categories,
    }
)
PIECES = st.sampled_from(
    [
        *WORDS,
        *("0", "1", "2", "3", "5", "9", "10", "50", "100", "101", "22:30", "7", "24", "24:00", ":"),
        *" ,、;/-~–—至到%，％：－!xAa",
        *("  ", "\u3000"),
    ]
)
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}


@budget(1500)
@given(pieces=st.lists(PIECES, max_size=7), form=st.sampled_from(["as it is", "wide", "upper"]))
def test_texts_are_read_as_the_oracle_reads_them(pieces: list[str], form: str) -> None:
    text = "".join(pieces)
    if form == "wide":
        text = text.translate(WIDE)
    elif form == "upper":
        text = text.upper()
    found = GRAMMAR.parse(text)
    wanted = meaning(text, RULES)
    assert (found and (found.action, found.word, found.numbers)) == (wanted and tuple(wanted))


@budget(300)
@given(
    keyword=st.sampled_from(sorted(RULES.commands.keywords)),
    index=st.integers(0, 4),
    spaces=st.lists(st.integers(0, 2), min_size=12, max_size=12),
    is_wide=st.booleans(),
    is_upper=st.booleans(),
)
def test_a_keyword_is_known_in_every_form(
    keyword: str, index: int, spaces: list[int], is_wide: bool, is_upper: bool
) -> None:
    spellings = RULES.commands.keywords[keyword]  # type: ignore[union-attr]
    text = spellings[index % len(spellings)]
    text = "".join(" " * count + char for count, char in zip(spaces, text, strict=False))
    text = text.upper() if is_upper else text.lower()
    found = GRAMMAR.parse(text.translate(WIDE) if is_wide else text)
    assert found is not None
    assert found.action == keyword


@budget(300)
@given(st.text(max_size=40))
def test_no_text_is_beyond_the_parser(text: str) -> None:
    found = GRAMMAR.parse(text)
    assert found is None or found.action in RULES.commands.keywords  # type: ignore[union-attr]
