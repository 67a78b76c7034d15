"""The second confirmation is a state machine: what it may do, whatever comes in whatever order."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streamproc.core.notices import confirmation
from streamproc.core.state.account import Question, RareState
from tests.property.budget import budget

SERVICES = ("video", "music", "news")
MINUTES = st.integers(0, 40)


class Confirmations(RuleBasedStateMachine):
    """Requests, answers, deadlines and ends; a model keeps what became of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.extra = RareState()
        self.now = 0
        self.open: dict[str, Question] = {}
        self.outcomes: dict[str, str] = {}
        self.numbers: list[int] = []

    def decided(self, question: Question, outcome: str) -> None:
        assert question.request_id in self.open, "decided twice, or never asked"
        assert question.request_id not in self.outcomes
        self.outcomes[question.request_id] = outcome
        del self.open[question.request_id]

    @rule(minutes=MINUTES)
    def time_passes(self, minutes: int) -> None:
        self.now += minutes
        for question in confirmation.timed_out(self.extra, self.now):
            assert question.deadline_ms <= self.now
            self.decided(question, "timed_out")

    @rule(
        about=st.sampled_from([confirmation.SUBSCRIPTION, confirmation.CHARGE]),
        service=st.sampled_from(SERVICES),
        wait=st.integers(1, 60),
    )
    def request(self, about: str, service: str, wait: int) -> None:
        name = f"r{len(self.numbers)}"
        question = confirmation.ask(
            self.extra, about, service, 100, (name, "billing"), self.now, self.now + wait
        )
        assert (question is None) == (len(self.open) == confirmation.MAX_QUESTIONS)
        if question is not None:
            self.open[name] = question
            self.numbers.append(question.number)

    @rule(is_yes=st.booleans(), number=st.none() | st.integers(0, 30), sent_ago=MINUTES)
    def answer(self, is_yes: bool, number: int | None, sent_ago: int) -> None:
        sent = self.now - sent_ago
        fitting = [
            one
            for one in self.open.values()
            if one.asked_ms <= sent and number in (None, one.number)
        ]
        found = confirmation.answered(self.extra, number, sent)
        if isinstance(found, Question):
            assert fitting == [found]
            assert found.asked_ms <= sent
            assert self.now < found.deadline_ms
            self.decided(found, "confirmed" if is_yes else "refused")
        else:
            assert found == ("which_one" if fitting else "nothing_asked")
            assert len(fitting) != 1

    @rule(service=st.sampled_from([*SERVICES, None]))
    def ends(self, service: str | None) -> None:
        about = None if service is None else confirmation.CHARGE
        for question in confirmation.over(self.extra, service, about):
            assert service in (None, question.service)
            self.decided(question, "refused")
        assert not any(
            service in (None, one.service) and about in (None, one.about)
            for one in self.open.values()
        )

    @invariant()
    def what_is_open_is_what_is_not_decided(self) -> None:
        assert [one.request_id for one in self.extra.questions] == list(self.open)
        assert not self.open.keys() & self.outcomes.keys()

    @invariant()
    def an_open_question_can_be_named(self) -> None:
        numbers = [one.number for one in self.extra.questions]
        assert len(numbers) == len(set(numbers))
        assert all(1 <= one <= confirmation.NUMBERS for one in numbers)

    @invariant()
    def numbers_come_in_turn(self) -> None:
        turn = [one % confirmation.NUMBERS + 1 for one in range(len(self.numbers))]
        assert self.numbers == turn


Confirmations.TestCase.settings = budget(60, steps=60)
TestConfirmations = Confirmations.TestCase
