"""Leaving and rejoining categories: a word about all undoes a word about all, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.property.budget import budget
from tests.support.talking import Talking, replies, talking_rules

RULES = talking_rules()
CATEGORIES = RULES.categories
STEPS = st.tuples(
    st.sampled_from(["STOP", "START", "opted_out", "opted_in"]),
    st.sampled_from(["", *CATEGORIES]),
)


@budget(100)
@given(st.lists(STEPS, max_size=12))
def test_a_bare_start_undoes_bare_stops_alone(steps: list[tuple[str, str]]) -> None:
    """A model keeps how each category was left: by its name, or by a word about all."""
    line = Talking(RULES)
    line.begin()
    left: dict[str, str] = {}
    for number, (word, category) in enumerate(steps):
        at = 1 + number / 100
        said: list[str] = []
        if word in ("opted_out", "opted_in"):
            line.opt(category or CATEGORIES[0], at, out=word == "opted_out")
        else:
            said = replies(line.text(f"{word} {category}", at))
        if word in ("STOP", "opted_out"):
            if category or word == "opted_out":
                left[category or CATEGORIES[0]] = "by its name"
            else:
                left = {one: left.get(one, "with all") for one in CATEGORIES}
        elif category or word == "opted_in":
            left.pop(category or CATEGORIES[0], None)
        else:
            has_news = "with all" in left.values()
            left = {one: how for one, how in left.items() if how == "by its name"}
            expected = "started_except" if has_news else "still_stopped"
            assert said == [expected if left else "started_all"]
        assert set(line.account.opted_out) == set(left)
        extra = line.account.extra
        by_name = {one for one, how in left.items() if how == "by its name"}
        assert set(line.account.opted_out[: extra.left_singly if extra else 0]) == by_name
