"""Words inside replies, in the language of the reply."""

from __future__ import annotations

from types import SimpleNamespace

from streamproc.core.notices.services import NoticeWork
from streamproc.core.rules.commands import Commands
from streamproc.core.texts.catalogue import formats_under, text_of
from streamproc.core.texts.composing import owner_of, vocabulary_of
from streamproc.core.texts.formats import Formats
from streamproc.core.texts.locales import best_locale
from streamproc.core.texts.template import Text


def formats_of(told: NoticeWork, commands: Commands, reply: str) -> Formats:
    """How lists, and figures inside them, are written: in the language of the reply's text."""
    texts = commands.replies[reply].texts
    locale = best_locale(texts, told.account.locale, told.rules.default_locale)
    return formats_under(locale, told.rules)


def text_in(name: str, told: NoticeWork, commands: Commands) -> Text:
    """The text of a reply, or of a part of one, for the subscriber."""
    reply = commands.replies[name]
    known = vocabulary_of(reply)
    return text_of(owner_of(reply), reply.texts, known, told.account.locale, told.rules)


def fragment(name: str, told: NoticeWork, commands: Commands, keyword: str = "") -> str:
    """A text of the rules that is a part of replies."""
    return text_in(name, told, commands).render(SimpleNamespace(keyword=keyword))


def clock(minute: int) -> str:
    """Minutes after midnight as a time of day."""
    return f"{minute // 60:02}:{minute % 60:02}"
