"""What customers read instead of ids, and that records keep the ids."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.state.effects import Reminder
from streamproc.core.texts.naming import bucket_name, category_name, plan_name
from streamproc.core.texts.samples import LocaleWords, owners_of, samples
from tests.support.line import day, reminders
from tests.support.rules import YAML, edited, problems
from tests.support.talking import RULES, Talking, texts

NAMED = edited(
    RULES,
    ("- id: small\n", "- id: small\n    names: {en: Small plan, pl: Mały}\n"),
    ("- id: large\n", "- id: large\n    names: {en: Large plan, pl: Duży}\n"),
    ("{id: data, ", "{id: data, names: {en: Home data, pl: Dane}, "),
    ("{id: extra, ", "{id: extra, names: {en: Day pack, pl: Dzień}, "),
    ("{percent}% used", "{bucket} {percent}%"),
    ("commands:\n", "commands:\n  category_names: {balance: {en: usage alerts}}\n"),
)


def begun(rules: str = NAMED, locale: str = "en") -> Talking:
    line = Talking(load_rulebook(rules, "r.yaml"))
    line.begin(locale=locale)
    return line


def test_texts_have_names_and_records_have_ids() -> None:
    line = begun()
    assert reminders(line.effects)[0].text.startswith("Welcome to Small plan with 1 GB")
    (said,) = reminders(line.use(900_000_000, 1))
    assert said.text == "Home data 90%"
    assert [one.id for one in said.buckets] == ["data"]
    line.top_up(2, pack="extra")
    (reply,) = texts(line.text("BALANCE", 2.1))
    assert "Home data 100 MB" in reply
    assert "Day pack 500 MB" in reply
    assert texts(line.text("0000", 2.2))[0].startswith("Plan Small plan: ")


def test_a_better_plan_has_its_name() -> None:
    line = begun()
    for at in (5, 35):
        line.use(2_000_000_000, at)
    found = line.reach(day(70))
    assert any(text.startswith("Large plan had saved") for text in texts(found))


@pytest.mark.parametrize(
    ("locale", "name"),
    [("en", "Home data"), ("en-GB", "Home data"), ("pl", "Dane"), ("ru", "Home data")],
)
def test_the_name_is_the_best_for_the_reader(locale: str, name: str) -> None:
    (said,) = reminders(begun(locale=locale).use(900_000_000, 1))
    assert said.text == f"{name} 90%"


@pytest.mark.parametrize(
    ("locale", "name"),
    [
        *(("en", "extra data"), ("zh-HK", "額外上網量"), ("zh-CN", "额外流量")),
        *(("pl", "dodatkowy"), ("de-AT", "Zusatzvolumen"), ("hi", "अतिरिक्त डेटा")),
        *(("ja", "extra data"), ("", "extra data"), ("ru", "Дополнительный")),
    ],
)
def test_a_free_top_up_has_a_word_in_each_language(locale: str, name: str) -> None:
    line = begun(locale=locale)
    line.use(1_000_000_000, 1)
    line.top_up(2, granted_bytes=1_000_000)
    (said,) = [one for one in reminders(line.use(900_000, 3)) if isinstance(one, Reminder)]
    assert said.text == f"{name} 90%"
    assert said.buckets[0].kind == "topup"


def test_the_rules_have_their_own_word_for_it() -> None:
    rules = load_rulebook(edited(NAMED, ("rules:", "topup_names: {en: Gift}\nrules:")), "r.yaml")
    line = Talking(rules)
    line.begin(locale="en")
    line.top_up(2, granted_bytes=1_000_000)
    topup = line.account.buckets[-1]
    assert bucket_name(topup, "en", rules) == "Gift"
    assert bucket_name(topup, "pl", rules) == "dodatkowy"


@pytest.mark.parametrize(
    ("locale", "name"),
    [
        *(("en", "carried-over Home data"), ("pl", "Dane (przeniesione)")),
        *(("zh-CN", "结转的Home data"), ("ja", "carried-over Home data")),
    ],
)
def test_what_rolled_over_is_told_from_its_allowance(locale: str, name: str) -> None:
    rolling = edited(NAMED, ("{id: data, ", "{id: data, rollover: {max_bytes: 1000000000}, "))
    line = begun(rolling, locale)
    line.use(900_000_000, 1)
    line.reach(day(32))
    carried, own = line.account.buckets
    rules = load_rulebook(rolling, "r.yaml")
    assert bucket_name(own, locale, rules) != name
    assert bucket_name(carried, locale, rules) == name
    rules = load_rulebook(
        edited(rolling, ("rules:", "rollover_names: {en: 'Old {name}'}\nrules:")), "r.yaml"
    )
    assert bucket_name(carried, "en", rules) == "Old Home data"


def test_what_has_no_name_is_called_by_its_id() -> None:
    rules = load_rulebook(edited(RULES, ("{percent}% used", "{bucket}")), "r.yaml")
    assert plan_name("small", "en", rules) == "small"
    assert plan_name("gone", "en", rules) == "gone"
    assert category_name("balance", "en", rules) == "用量"
    assert category_name("service", "en", rules) == "service"


def test_categories_have_names_beside_their_keywords() -> None:
    line = begun()
    assert "usage alerts" in texts(line.text("STOP ALERTS", 1))[0]
    assert "usage alerts" in texts(line.text("START BALANCE", 1.1))[0]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ("{en-UK: x}", "names.en-UK: there is no country 'UK'; did you mean en-GB?"),
        ("{cn: x}", "names.cn: there is no language 'cn'; did you mean zh-CN?"),
        ("{jp: x}", "names.jp: there is no language 'jp'; did you mean ja?"),
        ("{english: x}", "names.english: there is no language 'english'; did you mean en?"),
        ("{pl: ' '}", "names.pl: must be words, 1 to 100 characters, not ' '"),
        ("{en_GB: x}", "names.en_GB: must be a language tag such as en or zh-CN, not 'en_GB'"),
        ("x", "names: must be a mapping of fields, not 'x'"),
    ],
)
def test_what_is_wrong_with_names(names: str, problem: str) -> None:
    allowance = edited(YAML, ("{id: data, ", f"{{id: data, names: {names}, "))
    assert problems(allowance) == [f"8: plans[0].allowances[0].{problem}"]
    pack = edited(YAML, ("{id: extra, ", f"{{id: extra, names: {names}, "))
    assert problems(pack) == [f"10: packs[0].{problem}"]
    plan = edited(YAML, ("- id: basic\n", f"- id: basic\n    names: {names}\n"))
    assert problems(plan) == [f"7: plans[0].{problem}"]


def test_an_allowance_of_two_plans_has_one_name() -> None:
    twice = edited(
        NAMED,
        ("- id: middle\n", "- id: middle\n    names: {en: M}\n"),
    )
    assert load_rulebook(twice, "r.yaml").source_names["data"]["en"] == "Home data"
    start, end = twice.split("- id: middle\n")
    other = start + "- id: middle\n" + edited(end, ("{id: data, ", "{id: data, names: {en: X}, "))
    assert "names: 'data' has other names in another plan" in problems(other)[0]


def test_texts_are_checked_with_names_of_what_rolls_over() -> None:
    rolling = edited(NAMED, ("{id: data, ", "{id: data, rollover: {max_bytes: 1000000000}, "))
    rules = load_rulebook(rolling, "r.yaml")
    owner = next(one for one in owners_of(rules) if "bucket" in one.known)
    shown = [one.figures.bucket for one in samples(owner, LocaleWords("en", rules))]
    assert any("carried-over Home data" in names for names in shown)
