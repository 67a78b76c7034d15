"""What the demo's phone shows, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len

from streamproc.core.state.effects import Cause, Reminder
from streamproc.lab.demo.phone import Phone, ShownSms, message_of
from streamproc.tools.wrapping import lines_of


def reminder(locale: str = "en", kind: str = "usage_percent", text: str = "used") -> Reminder:
    """Of Monday 2026-01-05 06:30 UTC."""
    at = datetime(2026, 1, 5, 6, 30, tzinfo=UTC)
    return Reminder(
        id="r",
        kind=kind,
        rule="low",
        subscriber="8613800001234",
        buckets=[],
        threshold=None,
        cycle_start=at,
        cycle_end=at,
        used_bytes=0,
        granted_bytes=0,
        remaining_bytes=0,
        overage_bytes=0,
        as_of=at,
        locale=locale,
        text=text,
        encoding="gsm7",
        segments=2,
        category="balance",
        priority=1,
        mandatory=False,
        not_before=at,
        expires_time=at + timedelta(days=1),
        cause=Cause(due_time=at),
    )


def test_an_sms_shows_local_time_in_its_language_and_no_full_number() -> None:
    message = message_of(reminder("en"), "America/New_York")

    assert message == ShownSms("861********34", False, "Mon 5 Jan 01:30", "New York", "used", 2)
    assert message.parts == "2 segments"
    assert message_of(reminder("zh-CN"), "Asia/Shanghai").when == "1月5日 周一 14:30"


@pytest.mark.parametrize("width", [12, 20, 33])
def test_lines_fit_and_keep_figures_whole(width: int) -> None:
    text = "【流量提醒】截至2026-01-15,您的data-basic已用80%,剩余1.25 GB。"

    lines = lines_of(text, width)

    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for figure in ("2026-01-15", "80%", "1.25 GB"):
        assert any(figure in line for line in lines)
    assert not any(line.startswith((",", "。", "】")) for line in lines)


def test_a_word_longer_than_a_line_is_broken() -> None:
    assert lines_of("see https://example.org/a now", 10) == [
        "see",
        "https://ex",
        "ample.org/",
        "a now",
    ]


def test_languages_take_turns_and_rare_kinds_come_first() -> None:
    phone = Phone()
    seen = []
    for _ in range(6):
        for locale in ("zh-CN", "en"):
            for kind in ("usage_summary", "before_expiry"):
                phone.offer(reminder(locale, kind, f"{locale} {kind}"), "UTC")
        picked = phone.pick()
        assert picked is not None
        seen.append(picked.text)

    assert [text.partition(" ")[0] for text in seen] == ["zh-CN", "en"] * 3
    assert seen[0] != seen[2] == seen[0].replace("before_expiry", "usage_summary")


def test_an_sms_is_shown_once() -> None:
    phone = Phone()
    phone.offer(reminder(), "UTC")

    assert phone.pick() is not None
    assert phone.pick() is None
    assert len(phone.shown) == 1
