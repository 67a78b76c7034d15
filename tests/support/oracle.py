"""Compares the results of a run with the naive oracle."""

from __future__ import annotations

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import unpack
from streamproc.engine.rows import DUE_BYTES
from streamproc.lab.oracle import Expectation, differences, observed
from tests.property.world import figures_of
from tests.support.expectation import Result


def assert_agrees(result: Result, expectation: Expectation, rules: Rulebook | None = None) -> None:
    """Check that every account, reminder, reject and audit decision is as in the oracle."""
    book = rules or default_rulebook()
    accounts = {key.decode(): unpack(data[DUE_BYTES:]) for key, data in result.states.items()}
    found = observed(
        result.reminders.elements(),
        result.audit.elements(),
        result.rejects.elements(),
        records=expectation.records,  # the accounts show how much of the input was applied
        charged_bytes=sum(account.charged_bytes for account in accounts.values()),
        policies=result.policy.elements(),
        accounts={name: figures_of(account, book) for name, account in accounts.items()},
    )
    problems = differences(found, expectation)
    assert not problems, "\n".join(problems)
