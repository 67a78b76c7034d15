"""Executes the command of an SMS and makes one reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from streamproc.core.alerts.held_notices import subscription_of
from streamproc.core.commands.arguments import Command
from streamproc.core.commands.listing import commands_offered, values_of
from streamproc.core.commands.offers import is_offered, left_categories
from streamproc.core.commands.parsing import grammar_of
from streamproc.core.commands.preferences import HANDLERS
from streamproc.core.commands.preferences.base import take_over
from streamproc.core.commands.reply_words import formats_of
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.life.lifecycle import join_category, leave_category
from streamproc.core.notices import confirmation
from streamproc.core.notices.services import NoticeWork, digest_of
from streamproc.core.rules.commands import Commands
from streamproc.core.state.account import (
    RareState,
    Subscription,
    drop_empty_rare_state,
    rare_state_of,
)
from streamproc.core.state.effects import (
    Effect,
    UnsubscriptionRequested,
    rejected,
)
from streamproc.core.state.events import Arrival, SmsReceived
from streamproc.core.state.moment import Moment
from streamproc.core.texts.composing import locale_in, message
from streamproc.core.texts.naming import category_name
from streamproc.core.texts.reminding import About, reminder_id

_WITH_BUCKETS: Final = ("overview", "balance", "data_left")
"""Replies whose records list the account's buckets."""

Reply = tuple[str, dict[str, Any]]
"""The name of a reply, and the values that only this reply has."""


def sms_received(moment: Moment, event: SmsReceived, arrival: Arrival) -> list[Effect]:
    """Execute the command of an SMS and reply, unless too many replies were sent lately."""
    rules = moment.rules
    commands = rules.commands
    if commands is None:
        return [rejected("commands_off", "the rules have no commands", event, arrival)]
    told = NoticeWork(moment)
    conversation = _Conversation(told, commands, event)
    grammar = grammar_of(rules, commands)
    command = grammar.parse(event.text)
    if command is None:
        conversation.unknown(grammar.is_nearly_an_answer(event.text))
    else:
        conversation.obey(command)
    drop_empty_rare_state(moment.account)
    return told.out


class _Conversation:
    """One SMS of the subscriber and its reply."""

    def __init__(self, told: NoticeWork, commands: Commands, event: SmsReceived) -> None:
        self.told = told
        self.account = told.account
        self.extra: RareState = rare_state_of(told.account)
        self.commands = commands
        self.event = event
        self.sent_ms = to_ms(event.time)

    def obey(self, command: Command) -> None:
        self.extra.helped = False
        self.told.audit("command", command.action)
        listed = self.extra.listed
        do = _ACTIONS[command.action]
        if command.action in HANDLERS and not self._is_offered(command.action):
            do = _Conversation.not_offered
        reply, more = do(self, command)
        if not self.reply(reply, more):
            self.extra.listed = listed  # the subscriber has not received the new list

    def unknown(self, is_nearly_an_answer: bool) -> None:
        """Send help once; then nothing until a known keyword comes or a new cycle begins. A
        subscriber who seems to answer an open question always gets the explanation."""
        self.told.audit("unknown_text", "help")
        if is_nearly_an_answer and self.extra.questions:
            self.reply("unclear_answer", {})
        # Help once, and not again: two programs could answer each other for ever.
        elif not self.extra.helped:
            self.extra.helped = self.reply(*self.help(None))

    def reply(self, name: str, more: dict[str, Any]) -> bool:
        """Send a reply if the limit allows it; returns whether it was sent."""
        told, extra = self.told, self.extra
        since_ms = told.now_ms - self.commands.window_ms
        extra.replied_ms = [one for one in extra.replied_ms if one > since_ms]
        if len(extra.replied_ms) >= self.commands.max_replies:
            told.audit("reply_limited", name)
            return False
        extra.replied_ms.append(told.now_ms)
        told.out.append(
            message(
                told.moment,
                About(
                    self.commands.replies[name],
                    list(self.account.buckets) if name in _WITH_BUCKETS else [],
                    digest_of(self.event.id, self.event.source),
                    self.account.cycle_start_ms,
                ),
                {**values_of(told, self.commands, extra, name), **more},
            )
        )
        return True

    def _is_offered(self, action: str) -> bool:
        return is_offered(action, self.account, self.told.rules, self.told.now_ms)

    def not_offered(self, command: Command) -> Reply:
        keyword, of_help = self.told.keyword(command.action), self.told.keyword("help")
        return "not_offered", {"keyword": keyword, "help": of_help}

    # Figures

    def overview(self, command: Command) -> Reply:
        self.list_services()
        return "overview", {}

    def balance(self, command: Command) -> Reply:
        return "balance", {}

    def data_left(self, command: Command) -> Reply:
        return "data_left", {}

    def help(self, command: Command | None) -> Reply:
        return "help", {"commands": commands_offered(self.told, self.commands)}

    # Choices

    def choose(self, command: Command) -> Reply:
        """Store a choice. The word ``default`` takes it back; no argument asks for the present
        setting."""
        preference, action = HANDLERS[command.action], command.action
        if command.word or command.numbers:
            take_over(self.extra, preference.change_by_sms(command))
        ended = preference.ends.get(command.word)
        if ended is not None:
            return f"{action}_{ended}", {}
        # A subscriber who opted out of the messages of a preference gets none of them,
        # whatever the choice.
        left = self._left_categories(action) if preference.is_heard_in_messages else []
        return self._left("still_stopped", left) if left else self._answer_of(action, command)

    def _left_categories(self, action: str) -> list[str]:
        return left_categories(action, self.account, self.told.rules, self.told.now_ms)

    def _answer_of(self, action: str, command: Command) -> Reply:
        """The reply about a choice that was just made, or about the present setting."""
        if command.word or command.numbers:
            return f"{action}_set", {}
        return action, {"keyword": self.told.keyword(action)}

    # Categories

    def stop(self, command: Command) -> Reply:
        if not command.word:
            for category in self.told.rules.categories:
                if category not in self.account.opted_out:
                    self.account.opted_out.append(category)
                    self._audit_category("left_category", category)
            return "stopped_all", {"start": self.told.keyword("start")}
        if leave_category(self.account, command.word):
            self._audit_category("left_category", command.word)
        start, name = self._start_of(command.word), self._named(command.word)
        has_mandatory = any(
            one.mandatory and one.category == command.word for one in self.told.rules.speaking()
        )
        return "stopped_except" if has_mandatory else "stopped", {"start": start, "category": name}

    def start(self, command: Command) -> Reply:
        """START without a category takes back a STOP without a category, and nothing else."""
        if command.word:
            if join_category(self.account, command.word):
                self._audit_category("joined_category", command.word)
            return "started", {"category": self._named(command.word)}
        back = self.account.opted_out[self.extra.left_singly :]
        del self.account.opted_out[self.extra.left_singly :]
        # The audit names the categories that are really back, not all of them.
        for category in back:
            self._audit_category("joined_category", category)
        known = self.told.rules.categories
        left = [one for one in self.account.opted_out if one in known]
        if not left:
            return "started_all", {}
        return self._left("started_except" if back else "still_stopped", left)

    def _left(self, reply: str, categories: list[str]) -> Reply:
        names = [self._named(one) for one in categories]
        shown = formats_of(self.told, self.commands, reply)
        return reply, {"categories": shown.list(names), "start": self._start_of(categories[0])}

    def _start_of(self, category: str) -> str:
        """What the subscriber must send to get messages of a category again."""
        return f"{self.told.keyword('start')} {self._named(category)}"

    def _named(self, category: str) -> str:
        locale = locale_in(self.commands.replies["none"], self.account, self.told.rules)
        return category_name(category, locale, self.told.rules)

    def _audit_category(self, decision: str, category: str) -> None:
        self.told.out.append(self.told.moment.audited(decision, category=category))

    # Services

    def list_services(self) -> None:
        """List the services with new numbers. A service can be ended by its number in the last
        list."""
        self.extra.listed = [one.service for one in self.extra.services if not one.ending]

    def unsubscribe(self, command: Command) -> Reply:
        if not command.numbers:
            self.list_services()
            return ("services" if self.extra.listed else "no_services"), {}
        listed = self.extra.listed
        # A number of an older list could mean another service now, so only the last list counts.
        chosen = [listed[number - 1] for number in command.numbers if 1 <= number <= len(listed)]
        ended = [one for name in chosen if (one := subscription_of(self.account, name))]
        if not ended:
            self.list_services()
            return ("not_listed" if self.extra.listed else "no_services"), {}
        return self._end(ended)

    def unsubscribe_all(self, command: Command) -> Reply:
        going_on = [one for one in self.extra.services if not one.ending]
        return self._end(going_on) if going_on else ("no_services", {})

    def _end(self, ended: list[Subscription]) -> Reply:
        """Order the end of services. Open questions about their charges are refused."""
        told = self.told
        for one in ended:
            if one.ending:
                continue
            one.ending = True
            for question in confirmation.over(self.extra, one.service, confirmation.CHARGE):
                told.decide(question, "refused")
            occasion = f"{one.service}\0{digest_of(self.event.id, self.event.source)}"
            told.audit("unsubscription_requested", one.service)
            told.out.append(
                UnsubscriptionRequested(
                    reminder_id(told.rules.id_key, told.subscriber, "unsubscription", 0, occasion),
                    told.subscriber,
                    one.service,
                    from_ms(told.now_ms),
                    told.cause,
                )
            )
        names = [told.name(one.service) for one in ended]
        shown = formats_of(told, self.commands, "unsubscribed")
        return "unsubscribed", {"services": shown.list(names)}

    # Answers

    def confirm(self, command: Command) -> Reply:
        return self._answer(command, "confirmed")

    def refuse(self, command: Command) -> Reply:
        return self._answer(command, "refused")

    def _answer(self, command: Command, outcome: confirmation.Outcome) -> Reply:
        number = command.numbers[0] if command.numbers else None
        found = confirmation.answered(self.extra, number, self.sent_ms)
        if isinstance(found, str):
            return found, {"yes": self.told.keyword("confirm")}
        self.told.decide(found, outcome)
        return outcome, {
            "service": self.told.name(found.service),
            "price": found.amount_minor,
        }


_ACTIONS: dict[str, Callable[[_Conversation, Command], Reply]] = {
    "overview": _Conversation.overview,
    "balance": _Conversation.balance,
    "data_left": _Conversation.data_left,
    **dict.fromkeys(HANDLERS, _Conversation.choose),
    "unsubscribe": _Conversation.unsubscribe,
    "unsubscribe_all": _Conversation.unsubscribe_all,
    "confirm": _Conversation.confirm,
    "refuse": _Conversation.refuse,
    "stop": _Conversation.stop,
    "start": _Conversation.start,
    "help": _Conversation.help,
}
