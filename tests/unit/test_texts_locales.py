"""What somebody reads whose locale has no text of its own."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.texts.locales import best_locale
from tests.support.line import reminders
from tests.support.talking import Talking

PACKAGED = ["zh-CN", "en", "zh-TW", "pl", "ru", "ar"]


@pytest.mark.parametrize(
    ("available", "wanted", "found"),
    [
        (PACKAGED, "zh-HK", "zh-TW"),
        (PACKAGED, "zh-MO", "zh-TW"),
        (PACKAGED, "zh-Hant-CN", "zh-TW"),
        (PACKAGED, "zh-SG", "zh-CN"),
        (PACKAGED, "zh", "zh-CN"),
        (PACKAGED, "yue", "zh-TW"),
        (PACKAGED, "PL-pl", "pl"),
        (PACKAGED, "pl_PL", "pl"),
        (PACKAGED, "de", "en"),
        (PACKAGED, "ja", "en"),
        (PACKAGED, "uk", "en"),
        (PACKAGED, "be-BY", "ru"),
        (PACKAGED, "xx-Latn", "en"),
        (PACKAGED, "tlh", "zh-CN"),
        (PACKAGED, "", "zh-CN"),
        (PACKAGED, "no tag", "zh-CN"),
        (["en", "es-ES", "es-US"], "es-MX", "es-US"),
        (["en", "es-US"], "es", "es-US"),
        (["fr-CA", "fr"], "fr-BE", "fr"),
        (["fr-CA", "fr"], "fr-CA", "fr-CA"),
        (["en", "fr"], "fr-CA", "fr"),
        (["fr-CA", "fr-FR"], "fr", "fr-FR"),
        (["en-US", "en-GB"], "en-AU", "en-GB"),
        (["pt-PT", "pt-BR"], "pt", "pt-BR"),
        (["pt-BR", "pt-PT"], "pt-AO", "pt-PT"),
        (["zh-TW", "zh-HK"], "zh-MO", "zh-HK"),
        (["zh-CN", "nb", "en"], "no", "nb"),
        (["zh-CN", "id"], "in", "id"),
        (["zh-CN", "ru", "fr"], "pl", "fr"),
        (["zh-CN", "sr", "sr-Latn", "en"], "hr", "sr-Latn"),
        (["zh-CN", "ar"], "pl", "zh-CN"),
        (["en", "zh-TW", "zh-SG"], "tlh", "zh-SG"),
        (["en", "zh-SG"], "pl", "en"),
    ],
)
def test_the_best_of_those_there_are(available: list[str], wanted: str, found: str) -> None:
    assert best_locale(available, wanted, "zh-CN") == found


@pytest.mark.parametrize("locale", ["pl", "de", "vi", "el", "hi"])
def test_nobody_is_greeted_in_a_script_that_he_cannot_read(locale: str) -> None:
    line = Talking(default_rulebook())
    (welcome,) = reminders(line.begin("basic-5gb", locale=locale))
    assert not any("\u4e00" <= char <= "\u9fff" for char in welcome.text)
