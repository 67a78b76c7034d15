"""The second confirmation as a state machine: asked, then confirmed, refused or timed out.

::

    request ──► asked ──► confirmed      by a yes sent after the question, arriving in time
                     ├──► refused        by a no, or because its service or contract is over
                     └──► timed_out      at the deadline

Each question leaves ``asked`` exactly once, and only a yes leads to ``confirmed``. So nothing is
charged without a confirmation. Open questions are in ``RareState.questions``; all others are
decided.
"""

from __future__ import annotations

from typing import Final, Literal

from streamproc.core.state.account import Question, RareState

Outcome = Literal["confirmed", "refused", "timed_out"]
Unclear = Literal["nothing_asked", "which_one"]

SUBSCRIPTION: Final = "subscription"
CHARGE: Final = "charge"

MAX_QUESTIONS: Final = 20
"""Most questions that can be open for one subscriber."""
NUMBERS: Final = 99
"""Numbers begin again after this one, so late that an old answer does not match a new question."""


def ask(
    extra: RareState,
    about: str,
    service: str,
    amount_minor: int,
    request: tuple[str, str],
    asked_ms: int,
    deadline_ms: int,
) -> Question | None:
    """Open a question for a request (event id, source); None if too many are open.

    ``asked_ms`` is when the request arrived. An answer that was sent earlier does not count.
    """
    if len(extra.questions) >= MAX_QUESTIONS:
        return None
    question = Question(
        extra.questions_asked % NUMBERS + 1,
        about,
        service,
        amount_minor,
        *request,
        asked_ms,
        deadline_ms,
    )
    extra.questions_asked = question.number
    extra.questions.append(question)
    return question


def answered(extra: RareState, number: int | None, sent_ms: int) -> Question | Unclear:
    """The question that an answer sent at ``sent_ms`` decides. The question is then closed.

    Without a number, exactly one question must be open. An answer does not belong to a question
    that was asked after the answer was sent.
    """
    meant = [
        one
        for one in extra.questions
        if one.asked_ms <= sent_ms and (number is None or one.number == number)
    ]
    if not meant:
        return "nothing_asked"
    if len(meant) > 1:
        return "which_one"
    extra.questions.remove(meant[0])
    return meant[0]


def timed_out(extra: RareState, now_ms: int) -> list[Question]:
    """Close the questions whose deadline has come, in the order in which they were asked."""
    return _take(extra, [one for one in extra.questions if one.deadline_ms <= now_ms])


def over(extra: RareState, service: str | None, about: str | None = None) -> list[Question]:
    """Close the questions about a service that ended (None: all, because the contract ended):
    refused."""
    return _take(
        extra,
        [
            one
            for one in extra.questions
            if service in (None, one.service) and about in (None, one.about)
        ],
    )


def _take(extra: RareState, taken: list[Question]) -> list[Question]:
    extra.questions = [one for one in extra.questions if one not in taken]
    return taken
