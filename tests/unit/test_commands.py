"""Two-way SMS by example: what a text does, and what it is answered."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from streamproc.contracts.rules_file.load import RulesError, packaged_rulebook
from streamproc.core.commands.arguments import Command
from streamproc.core.commands.parsing import grammar_of
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Policy
from streamproc.core.state.account import pack
from tests.support.line import day, decisions, reasons, rulebook
from tests.support.talking import (
    Talking,
    ended,
    outcomes,
    replies,
    talking_rules,
    texts,
)
from tests.support.truth.probes import LOCALES

RULES = talking_rules()
assert RULES.commands is not None
PARSE = grammar_of(RULES, RULES.commands).parse


@pytest.fixture
def line() -> Talking:
    line = Talking()
    line.begin(services=["video", "music"])
    return line


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("0000", Command("overview")),
        ("００００", Command("overview")),
        ("  0 0 00\n", Command("overview")),
        ("00000", Command("unsubscribe_all")),
        ("td all", Command("unsubscribe_all")),
        ("ＴＤ２", Command("unsubscribe", "", (2,))),
        ("退订 2、3", Command("unsubscribe", "", (2, 3))),
        ("unsub 2 2,1", Command("unsubscribe", "", (2, 1))),
        ("YZ 100, 50%；80％", Command("thresholds", "", (50, 80, 100))),
        ("阈值默认", Command("thresholds", "default")),
        ("quiet 22-7", Command("quiet_hours", "", (1320, 420))),
        ("免打扰２３：３０到２４：００", Command("quiet_hours", "", (1410, 0))),
        ("MDR OFF", Command("quiet_hours", "off")),
        ("schedule weekly 9", Command("schedule", "week", (540,))),
        ("定期提醒每天21:05", Command("schedule", "day", (1265,))),
        ("yes", Command("confirm")),
        ("Y2", Command("confirm", "", (2,))),
        ("stop weekly　news", Command("stop", "summary")),
        ("停止提醒 用量", Command("stop", "balance")),
        ("?", Command("help")),
        ("STOP.", Command("stop")),
        ("td。", Command("unsubscribe")),
        ("0000!", Command("overview")),
        ("¡STOP!", Command("stop")),
        ("STOP؟", Command("stop")),
        ('"退订"', Command("unsubscribe")),
        ("「退訂 2」", Command("unsubscribe", "", (2,))),
        ("«СТОП»", Command("stop")),
        ("‘stop weekly news’…", Command("stop", "summary")),
        ("stop: balance.", Command("stop", "balance")),
        ("TD+1", Command("unsubscribe", "", (1,))),
        ("ＴＤ＋１", Command("unsubscribe", "", (1,))),
        ("TD 1+2, 3.", Command("unsubscribe", "", (1, 2, 3))),
        ("td١", Command("unsubscribe", "", (1,))),
        ("0️⃣0️⃣0️⃣0️⃣", Command("overview")),
        ("\ufeffST\u200bO\u00adP\u200e 😀", Command("stop")),
        ("Rezygnuję", Command("unsubscribe")),
        ("rapor\u0301t co tydzień, 9:00.", Command("schedule", "week", (540,))),
        ("ALERT 50%, 80%.", Command("thresholds", "", (50, 80))),
        ("¿?", Command("help")),
        ("Y+2", Command("confirm", "", (2,))),
        ("نعم ٢", Command("confirm", "", (2,))),
    ],
)
def test_a_text_is_understood_however_it_is_written(text: str, command: Command) -> None:
    assert PARSE(text) == command


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "00 000 0", "0000 please", "STOP it", "STOP all", "do STOP", "TD one", "TD 1-2"),
        *("YZ 0", "YZ 101", "YZ 1 2 3 4 5 6", "MDR 25-7", "MDR 7-7", "MDR 22:60-7", "Y Y", "YES!"),
        *("weekly", "DQTX weekly 9am", "S.T.O.P", "ST0P", "1", "TD 1000", "...", "😀"),
        *(
            "Y.",
            "“Y”",
            "Y\u200b",
            "y 😀",
            "Yes, please",
            "Y+",
            "Y 1.",
            "Y1+2",
            "NO!",
            "是。",
            "نعم؟",
        ),
    ],
)
def test_anything_else_is_no_command(text: str) -> None:
    assert PARSE(text) is None


@pytest.mark.parametrize(
    ("locale", "keywords"),
    [
        ("zh-TW", "餘量 上網量 提醒設定 勿擾 摘要 退訂 全部退訂 確認 拒絕 停止提醒 恢復提醒 說明"),
        ("pl", "PAKIETY DANE PROGI CISZA RAPORT REZYGNUJE TAK NIE STOP START POMOC"),
        ("ru", "ОСТАТОК ТРАФИК ПОРОГ ТИХО СВОДКА ОТКЛ ДА НЕТ СТОП СТАРТ ПОМОЩЬ"),
        ("ar", "باقاتي بيانات تنبيه هدوء موعد إلغاء نعم لا إيقاف استئناف مساعدة"),
        ("en", "BALANCE DATA ALERT QUIET SCHEDULE UNSUB YES NO STOP START HELP"),
    ],
)
def test_texts_name_keywords_of_their_own_language_which_are_understood(
    locale: str, keywords: str
) -> None:
    assert RULES.commands is not None
    shown = RULES.commands.shown[locale]
    assert set(keywords.split()) <= set(shown.values())
    for action, keyword in shown.items():
        assert keyword in RULES.commands.keywords[action]
        assert PARSE(keyword) == Command(action)


def test_the_overview_lists_plan_services_and_balance(line: Talking) -> None:
    line.use(400_000_000, 1)
    (text,) = texts(line.text("0000", 2))
    assert "Plan small: 600 MB left (Jan 3, 00:00). Services: " in text
    assert "1 Video VIP ¥15.00; 2 Music ¥8.00" in text
    assert text.endswith("To end one, reply e.g. UNSUB 1")


@pytest.mark.parametrize("locale", ["ar", "en", "pl", "ru", "zh-CN", "zh-TW"])
@pytest.mark.parametrize("word", ["", "?!"])
def test_the_overview_offers_no_end_of_services_to_who_has_none(locale: str, word: str) -> None:
    """Whatever word the rules have for an empty list."""
    own = f"  texts: {{none: {{{locale}: '{word}'}}}}\n" if word else ""
    line = Talking(talking_rules(("  max_replies: 20\n", "  max_replies: 20\n" + own)))
    line.begin(locale=locale)
    (text,) = texts(line.text("0000", 1))
    assert RULES.commands is not None
    keyword = RULES.commands.shown.get(locale, {}).get("unsubscribe", "TD")
    assert keyword not in text
    assert "?!" not in text


def test_a_reply_speaks_of_the_buckets_and_has_their_figures(line: Talking) -> None:
    line.top_up(1, pack="extra")
    line.use(1_700_000_000, 1.5)
    (reply,) = [one for one in line.text("BALANCE", 1.5) if type(one).__name__ == "Reminder"]
    assert [one.id for one in reply.buckets] == [b.id for b in line.account.buckets]  # type: ignore[union-attr]
    assert reply.overage_bytes == 200_000_000  # type: ignore[union-attr]
    assert "Beyond your plan: 200 MB, ¥20.00." in reply.text  # type: ignore[union-attr]


PRICES = "    overage_price_minor: 10\n"
TIERS = PRICES + "    overage_tiers: [{from_bytes: 100_000_000, price_minor: 1}]\n"
ABROAD = "    tariffs: [{id: abroad, roaming_zones: [eu], overage_price_minor: 100}]\n"


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        (PRICES, "¥20.00"),
        (TIERS, "¥11.00"),  # 100 MB at 0.10 and 100 MB at 0.01
        (PRICES + "    cost_cap_minor: 1500\n", "¥15.00"),
        (PRICES + ABROAD, "¥110.00"),  # half of it at home
    ],
)
def test_the_cost_of_overage_is_what_the_plan_asks_for_it(prices: str, cost: str) -> None:
    line = Talking(talking_rules((PRICES, prices)))
    line.begin()
    line.use(1_100_000_000, 1)
    line.use(100_000_000, 1.5, roaming_zone="eu")
    for text in ("0000", "BALANCE"):
        (reply,) = texts(line.text(text, 2))
        assert f" {cost} (" in reply or f", {cost}." in reply


def test_services_end_by_their_number_in_the_list_that_was_sent_last(line: Talking) -> None:
    line.text("0000", 1)
    line.unsubscribe("video", 1.5)  # the list does not move under the subscriber
    effects = line.text("TD 2", 2)
    assert ended(effects) == ["music"]
    assert replies(effects) == ["unsubscribed"]
    assert ended(line.text("TD 2", 3)) == []  # it is ending already


def test_without_a_list_there_are_no_numbers(line: Talking) -> None:
    effects = line.text("TD 1", 1)
    assert (ended(effects), replies(effects)) == ([], ["not_listed"])
    assert ended(line.text("TD 1", 2)) == ["video"]  # that reply was a list


def test_a_list_of_the_last_cycle_is_forgotten(line: Talking) -> None:
    line.text("0000", 1)
    assert ended(line.text("TD 1", 40)) == []


def test_all_services_end_at_once(line: Talking) -> None:
    assert ended(line.text("00000", 1)) == ["video", "music"]
    effects = line.text("00000", 2)
    assert (ended(effects), replies(effects)) == ([], ["no_services"])


def test_choices_are_kept_shown_and_taken_back(line: Talking) -> None:
    line.text("ALERT 90 50", 1)
    line.text("QUIET 22:30-7", 1)
    line.text("SCHEDULE DAILY 8:15", 1)
    extra = line.account.extra
    assert extra is not None
    assert (extra.own_percents, extra.quiet_minutes) == ([50, 90], [1350, 420])
    assert (extra.summary_every, extra.summary_minute) == ("day", 495)
    assert texts(line.reach(day(1.35))) == ["1 GB left"]  # daily from now on, at 8:15
    assert "50% and 90%" in texts(line.text("ALERT", 2))[0]
    assert "22:30-07:00" in texts(line.text("QUIET", 2))[0]
    assert "daily 08:15" in texts(line.text("SCHEDULE", 2))[0]
    for text in ("ALERT DEFAULT", "QUIET DEFAULT", "SCHEDULE DEFAULT"):
        line.text(text, 3)
    extra = line.account.extra
    assert extra is not None
    assert (extra.own_percents, extra.quiet_minutes) == ([], [])
    assert (extra.summary_every, extra.summary_minute) == ("", -1)


def test_quiet_hours_and_summaries_can_be_none(line: Talking) -> None:
    line.text("QUIET OFF", 1)
    line.text("SCHEDULE OFF", 1)
    extra = line.account.extra
    assert extra is not None
    assert (extra.quiet_minutes, extra.summary_every) == ([0, 0], "off")


def test_categories_stop_and_start(line: Talking) -> None:
    effects = line.text("STOP summary", 1)
    assert decisions(effects) == ["command", "left_category"]
    assert line.account.opted_out == ["summary"]
    line.text("STOP", 1)
    assert line.account.opted_out == ["summary", "balance", "service", "roaming", "advice"]
    line.text("START 用量", 1)
    assert "balance" not in line.account.opted_out
    # What was left by its name is not taken back by a word about all.
    line.text("START", 1)
    assert line.account.opted_out == ["summary"]
    line.text("START summary", 1)
    assert line.account.opted_out == []


def test_a_bare_start_takes_back_what_a_bare_stop_had_stopped_and_nothing_else(
    line: Talking,
) -> None:
    line.opt("advice", 1)  # by the customer service
    line.text("STOP weekly news", 1)
    effects = line.text("START", 1.1)
    assert (decisions(effects), replies(effects)) == (["command"], ["still_stopped"])
    assert texts(effects) == [
        "These messages are off: advice and 周报. To get them again, reply e.g. START advice"
    ]
    line.text("STOP", 1.2)
    effects = line.text("START", 1.3)
    assert replies(effects) == ["started_except"]
    assert texts(effects)[0].startswith("Reminders are on again, except: advice and 周报.")
    assert line.account.opted_out == ["advice", "summary"]
    line.opt("advice", 1.4, out=False)
    line.text("START 周报", 1.4)
    assert line.account.extra is None or line.account.extra.left_singly == 0
    assert replies(line.text("START", 1.5)) == ["started_all"]


def test_what_an_older_release_noted_as_left_a_bare_start_takes_back(line: Talking) -> None:
    """It told the subscriber so."""
    account = line.account
    account.opted_out = ["balance", "summary"]
    line.state = pack(account)
    assert replies(line.text("START", 1)) == ["started_all"]
    assert line.account.opted_out == []


def test_a_new_contract_knows_nothing_of_what_was_left(line: Talking) -> None:
    line.text("STOP summary", 1)
    line.close(2)
    assert line.account.extra is None
    line.begin(at=3)
    assert line.account.opted_out == []
    line.text("STOP", 3)
    assert replies(line.text("START", 3)) == ["started_all"]


def test_who_stopped_one_category_is_told_how_to_start_that_one(line: Talking) -> None:
    effects = line.text("stop alerts", 1)
    assert replies(effects) == ["stopped"]
    assert texts(effects)[0].rstrip(".").endswith("reply START 用量")
    (of_service,) = texts(line.text("STOP service", 1))  # its questions still come
    assert "except those we must send" in of_service
    assert of_service.rstrip(".").endswith("reply START service")


def test_categories_are_stopped_by_their_names_in_every_language() -> None:
    names = "  category_names: {summary: {en: Weekly news, pl: Podsumowania, ar: الملخص}}\n"
    line = Talking(talking_rules(("  categories:\n", names + "  categories:\n")))
    for name, locale in (("weekly NEWS", "en"), ("podsumowania", "pl"), ("«المُلخّص»", "ar")):
        line.state = None
        line.begin(locale=locale)
        assert replies(line.text(f"STOP {name}", 1)) == ["stopped"]
        assert line.account.opted_out == ["summary"]


def test_two_categories_cannot_have_one_name() -> None:
    names = "  category_names: {summary: {en: alerts}}\n"
    with pytest.raises(RulesError, match="'alerts' is given for balance already"):
        talking_rules(("  categories:\n", names + "  categories:\n"))


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("keywords: {stop: [STOP, 退訂]}", "'退訂' is given for unsubscribe already"),
        ("keywords: {stop: [ＴＤ]}", "'ＴＤ' is given for unsubscribe already"),
        ("keywords: {stop: [Rezygnuję]}", "'Rezygnuję' is given for unsubscribe already"),
        ("keywords: {help: ['\u200b']}", "must not be blank"),
        ("shown: {pl: {stop: STOPP}}", "'STOPP' is no keyword of stop"),
        ("category_names: {balance: {en: ' '}}", "must not be blank"),
    ],
)
def test_what_nobody_could_tell_apart_or_understand_is_refused(written: str, problem: str) -> None:
    with pytest.raises(RulesError, match=problem):
        talking_rules(("commands:\n", f"commands:\n  {written}\n"))


WEEKLY = """\
  - id: weekly
    kind: usage_summary
    at: "09:00"
    category: summary
    texts: {en: "{remaining} left"}
"""
LOW = """\
  - id: low
    kind: usage_percent
    thresholds: [80, 100]
    category: balance
    texts: {en: "{percent}% used"}
"""
SOON = LOW.replace("usage_percent", "remaining_bytes").replace("80, 100", "0")


@pytest.mark.parametrize(
    ("change", "keyword", "arguments"),
    [
        ((WEEKLY, ""), "SCHEDULE", ["DAILY 9:00", "OFF", "DEFAULT", ""]),
        ((WEEKLY, WEEKLY + "    plans: [large]\n"), "SCHEDULE", ["DAILY 9:00", ""]),
        ((WEEKLY, WEEKLY + "    segments: [young]\n"), "SCHEDULE", ["WEEKLY", ""]),
        ((WEEKLY, WEEKLY + "    mandatory: true\n"), "SCHEDULE", ["DAILY 9:00", ""]),
        (
            (WEEKLY, WEEKLY + '    valid_until: "2026-01-01T00:00:00Z"\n'),
            "SCHEDULE",
            ["DAILY 9:00", ""],
        ),
        ((LOW, SOON), "ALERT", ["50 80", "DEFAULT", ""]),
    ],
)
def test_a_choice_that_no_rule_serves_is_not_offered(
    change: tuple[str, str], keyword: str, arguments: list[str]
) -> None:
    line = Talking(talking_rules(change))
    line.begin()
    for argument in arguments:
        effects = line.text(f"{keyword} {argument}", 1)
        assert replies(effects) == ["not_offered"]
        assert texts(effects) == [f"{keyword} is not available for you. To see what is, reply HELP"]
    extra = line.account.extra
    assert extra is not None
    assert (extra.own_percents, extra.summary_every, extra.summary_minute) == ([], "", -1)
    (of_help,) = texts(line.text("HELP", 1.1))
    assert keyword not in of_help
    assert "UNSUB" in of_help


def test_quiet_hours_are_not_offered_where_nothing_waits_for_their_end() -> None:
    line = Talking(rulebook_of_messages_at_once())
    line.begin()
    assert replies(line.text("QUIET 22-7", 1)) == ["not_offered"]
    (of_help,) = texts(line.text("HELP", 1.1))
    assert "QUIET" not in of_help
    assert "UNSUB" not in of_help  # nor are there services to end


def rulebook_of_messages_at_once() -> Rulebook:
    rules = talking_rules()
    at_once = Policy(in_quiet_hours="send")
    return Rulebook(
        tuple(rules.plans.values()),
        tuple(rules.packs.values()),
        tuple(replace(one, policy=at_once) for one in rules.usage_rules),
        tuple(replace(one, policy=at_once) for one in rules.timed_rules),
        rules.limits,
        rules.default_locale,
        rules.currency,
        commands=rules.commands,
    )


MONTHLY = (
    WEEKLY.replace("id: weekly", "id: monthly").replace("09:00", "18:30")
    + "    every: month_end\n    mandatory: true\n"
)
LAW = LOW.replace("id: low", "id: law").replace("80, 100", "90") + "    mandatory: true\n"


def test_what_holds_now_is_shown_where_the_subscriber_chose_nothing() -> None:
    quiet = "alerts:\n  quiet_hours: {start: '22:00', end: '07:30'}\nrules:\n"
    line = Talking(talking_rules(("rules:\n", quiet), (WEEKLY, WEEKLY + MONTHLY + LAW)))
    line.begin()
    line.reach(day(0.9))  # the welcome waited for the morning
    (of_quiet,) = texts(line.text("QUIET", 1))
    assert "22:00-07:30" in of_quiet
    (of_summaries,) = texts(line.text("SCHEDULE", 1))
    assert "weekly 09:00; at the end of each month 18:30" in of_summaries
    (of_levels,) = texts(line.text("ALERT", 1))
    assert "80%, 90%, and 100%" in of_levels
    # A choice is shown as what it comes to: mandatory rules stay.
    (of_summaries,) = texts(line.text("SCHEDULE DAILY", 1))
    assert "daily 09:00; at the end of each month 18:30" in of_summaries
    (of_levels,) = texts(line.text("ALERT 50", 1))
    assert "50% and 90%" in of_levels
    line.text("QUIET OFF", 1)
    (of_quiet,) = texts(line.text("QUIET", 1))
    assert "22:00-07:30" not in of_quiet
    line.text("QUIET DEFAULT", 1)
    (of_quiet,) = texts(line.text("QUIET", 1))
    assert "22:00-07:30" in of_quiet


def test_without_hours_in_the_rules_there_are_none(line: Talking) -> None:
    (of_quiet,) = texts(line.text("QUIET", 1))
    (of_none,) = texts(line.text("QUIET OFF", 1))
    assert "22" not in of_quiet.partition("e.g.")[0].partition("reply")[0]
    assert of_none


def test_a_choice_about_messages_that_were_left_says_so(line: Talking) -> None:
    line.text("STOP summary", 1)
    for text in ("SCHEDULE DAILY 8:15", "SCHEDULE"):
        effects = line.text(text, 1.1)
        assert replies(effects) == ["still_stopped"]
        assert "START 周报" in texts(effects)[0]
    line.text("START summary", 1.2)  # the choice was kept
    assert "daily 08:15" in texts(line.text("SCHEDULE", 1.3))[0]
    line.text("STOP balance", 1.4)
    assert replies(line.text("ALERT", 1.5)) == ["still_stopped"]


@pytest.mark.parametrize("locale", LOCALES)
def test_help_says_in_each_language_what_each_keyword_does(locale: str) -> None:
    line = Talking()
    line.begin(locale=locale)
    (of_help,) = texts(line.text("?", 1))
    assert RULES.commands is not None
    shown = RULES.commands.shown[locale]
    said = ("overview", "balance", "data_left", "thresholds", "quiet_hours", "schedule")
    for action in (*said, "unsubscribe", "stop", "start"):
        keyword = shown.get(action, RULES.commands.keywords[action][0])
        meaning = RULES.commands.replies[f"help_{action}"].texts[locale]
        assert meaning.replace("{keyword}", keyword) in of_help
        assert len(meaning.replace("{keyword}", "")) > 2


def test_unknown_text_gets_help_once_and_then_silence(line: Talking) -> None:
    assert replies(line.text("what?", 1)) == ["help"]
    assert replies(line.text("hello?", 1.1)) == []
    line.text("YE", 1.2)
    assert replies(line.text("what?", 1.3)) == ["help"]
    assert replies(line.text("what?", 1.4)) == []
    assert replies(line.text("what?", 40)) == ["help"]  # another cycle


def test_replies_are_limited_and_commands_are_done_all_the_same() -> None:
    line = Talking(talking_rules(("max_replies: 20", "max_replies: 2")))
    line.begin(services=["video"])
    minute = 1 / 1440
    assert [len(replies(line.text("0000", 1 + n * minute))) for n in range(4)] == [1, 1, 0, 0]
    effects = line.text("00000", 1 + 5 * minute)
    assert (ended(effects), replies(effects)) == (["video"], [])
    assert decisions(effects)[-1] == "reply_limited"
    assert len(replies(line.text("0000", 1 + 60 * minute))) == 1
    assert len(replies(line.text("0000", 1 + 60.5 * minute))) == 0


def test_a_list_that_was_not_sent_gives_no_numbers() -> None:
    line = Talking(talking_rules(("max_replies: 20", "max_replies: 1")))
    line.begin(services=["video", "music"])
    line.text("0000", 1)
    line.unsubscribe("video", 1.001)
    line.text("0000", 1.002)  # would be the list of music alone
    assert ended(line.text("TD 2", 1.003)) == ["music"]


def test_an_answer_without_number_needs_one_question(line: Talking) -> None:
    line.request("news", 1)
    line.request_charge("video", 1500, 1)
    effects = line.text("Y", 1.01)
    assert (outcomes(effects), replies(effects)) == ([], ["which_one"])
    assert "1 news ¥3.00; 2 Video VIP ¥15.00" in texts(effects)[0]
    assert outcomes(line.text("Y2", 1.02)) == [("charge", "video", "confirmed")]
    assert outcomes(line.text("N", 1.03)) == [("subscription", "news", "refused")]
    effects = line.text("Y", 1.04)
    assert (outcomes(effects), replies(effects)) == ([], ["nothing_asked"])


@pytest.mark.parametrize("text", ["Yes.", "“Y”", "y 😀", "NO!", "Y 1.", "是。", "no\u200b"])
def test_who_seems_to_answer_is_told_how_and_nothing_is_decided(line: Talking, text: str) -> None:
    line.text("hello", 0.9)  # help was sent already
    line.request_charge("video", 1500, 1)
    for minute in range(2):
        effects = line.text(text, 1.01 + minute / 1440)
        assert (outcomes(effects), replies(effects)) == ([], ["unclear_answer"])
    assert "Reply only YES or NO and the number: 1 Video VIP" in texts(effects)[0]
    assert outcomes(line.text("YES 1", 1.1)) == [("charge", "video", "confirmed")]
    assert replies(line.text(text, 1.2)) == ["help"]  # nothing is asked


def test_the_same_text_again_is_done_once(line: Talking) -> None:
    first = line.text("0000", 1)
    line.count -= 1  # the record comes again under its id
    assert decisions(line.text("0000", 1)) == ["duplicate"]
    assert len(replies(first)) == 1


def test_replies_go_to_who_left_every_category(line: Talking) -> None:
    line.text("STOP", 1)
    assert replies(line.text("0000", 1)) == ["overview"]


def test_texts_of_strangers_wait_and_of_closed_accounts_are_rejected(line: Talking) -> None:
    stranger = Talking()
    assert decisions(stranger.text("0000", 1)) == ["held"]
    assert replies(stranger.activate(at=1, plan="small", arrives=1.5)) == ["overview"]
    line.close(1)
    assert reasons(line.text("0000", 2)) == ["account_closed"]


def test_a_text_from_before_the_contract_does_nothing_to_it() -> None:
    stranger = Talking()
    stranger.text("STOP", 1)
    effects = stranger.begin(at=1.5)  # the text was held, and is another owner's
    assert (reasons(effects), stranger.account.opted_out) == (["before_activation"], [])
    assert reasons(stranger.text("STOP", 2, sent=1.4)) == ["before_activation"]
    assert replies(stranger.text("STOP", 2, sent=1.5)) == ["stopped_all"]
    stranger.close(3)
    stranger.begin(at=4)
    assert reasons(stranger.text("STOP", 4.1, sent=2.5)) == ["before_activation"]
    assert stranger.account.opted_out == []


def test_without_commands_texts_are_rejected() -> None:
    line = Talking(rulebook())
    line.activate()
    assert reasons(line.text("0000", 1)) == ["commands_off"]


def test_what_is_over_leaves_a_plain_account() -> None:
    line = Talking()
    line.begin()
    line.text("0000", 1)
    line.text("nonsense", 1)
    assert line.account.extra is not None
    line.reach(day(40))
    assert line.account.extra is None


@pytest.mark.parametrize("text", ["STOP USAGE", "stop usage.", "停止提醒用量", "stop alerts!"])
def test_the_packaged_rules_understand_usage_as_the_balance_alerts(text: str) -> None:
    rules = packaged_rulebook("default.yaml")
    assert rules.commands is not None
    assert grammar_of(rules, rules.commands).parse(text) == Command("stop", "balance")


def test_a_list_is_written_in_the_language_of_its_reply() -> None:
    """Also where other replies lack that language."""
    own = "commands:\n  texts:\n    unsubscribed: {fr: 'Fin : {services}'}\n"
    line = Talking(talking_rules(("commands:\n", own)))
    line.begin(locale="fr", services=["music", "video"])
    assert texts(line.text("UNSUB ALL", 1)) == ["Fin : Music et Video VIP"]
