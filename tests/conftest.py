"""The tests' broker: the options --broker and --no-broker, the fixtures, the marker."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from structlog.dev import ConsoleRenderer, plain_traceback

from tests.support.threads import ThreadsLeft

if TYPE_CHECKING:  # the unit tests need no Kafka client, which takes long to import
    from pathlib import Path

    from tests.support.broker import RunningBroker
    from tests.support.scene import Scene
    from tests.support.secured_broker import SecuredAddresses
    from tests.support.shared_broker import BrokerHost

# What collecting the tests makes stays to the end: looking through it at every 700th new object
# took a tenth of the unit tests' time.
gc.set_threshold(100_000, 20, 20)

_SKIP_REASON = "--no-broker was given"
_FOREIGN_PARTS = "foreign parts cannot be had"
"""How tests/support/npm_parts.py and go_parts.py begin the reason of a skip."""
_SKIPPED = pytest.StashKey[int]()
_HOST: pytest.StashKey[BrokerHost] = pytest.StashKey()
_HOST_PORT = "broker_host_port"
_BEGUN = pytest.StashKey[float]()
_NO_TIME = "no time was left"
_STRIDE = 997
"""Tests from one night's begin to the next one's: a prime, so that all are begins in time."""


_CONFIGURE_LOGS = structlog.configure


def _configure_without_cache(**options: Any) -> None:
    _CONFIGURE_LOGS(**{**options, "cache_logger_on_first_use": False})


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("streamproc")
    group.addoption(
        "--broker",
        default="auto",
        metavar="auto|docker|jvm|HOST:PORT",
        help="the Kafka broker of the tests marked 'broker' (default: auto)",
    )
    group.addoption(
        "--no-broker",
        action="store_true",
        help="skip the tests that need a Kafka broker; refused when $CI is set",
    )

    group.addoption(
        "--minutes",
        type=float,
        default=0.0,
        help="begin no test after so many minutes, and say which were left out (make nightly)",
    )
    group.addoption(
        "--turn",
        type=int,
        default=0,
        help="begin with another test for each number, so that all have their turn (make nightly)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_BEGUN] = time.monotonic()
    # The tests start some hundred processes, each of which would compile all of streamproc anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A logger that keeps what one test configured is not seen by capture_logs of a later test.
    structlog.configure = _configure_without_cache  # type: ignore[assignment]  # fewer options
    # Lines that nobody asks for need no colours: those of a traceback take a quarter of a second.
    ConsoleRenderer.get_active().exception_formatter = plain_traceback
    config.addinivalue_line(
        "markers",
        "broker: needs a Kafka broker (set on users of the fixtures broker, bootstrap, secured)",
    )
    if config.getoption("no_broker") and os.environ.get("CI"):
        raise pytest.UsageError("--no-broker is refused when CI is set: CI runs every test")


# Of pytest-xdist, which may be absent: called in the process that distributes the tests, once for
# each test process that it is about to start.
@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    from tests.support.shared_broker import BrokerHost

    config = node.config
    if _HOST not in config.stash:
        config.stash[_HOST] = host = BrokerHost(config.getoption("broker"))
        host.start()
    node.workerinput[_HOST_PORT] = config.stash[_HOST].port


# Of pytest-xdist, too. With another --dist than its own default, its own distribution is taken.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getvalue("dist") != "load":
        return None
    from tests.support.distribution import MixedScheduling

    return MixedScheduling(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _HOST in config.stash:
        config.stash[_HOST].close()


# Before pytest's own hook, so that -m "not broker" sees the marker.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    skipped = 0
    for item in items:
        # fixturenames has those that the test's own fixtures ask for, too.
        names = getattr(item, "fixturenames", ())
        if {"broker", "bootstrap", "secured"}.intersection(names):
            item.add_marker(pytest.mark.broker)
        if config.getoption("no_broker") and item.get_closest_marker("broker"):
            item.add_marker(pytest.mark.skip(reason=_SKIP_REASON))
            skipped += 1
    config.stash[_SKIPPED] = skipped
    begin = config.getoption("turn") * _STRIDE % max(len(items), 1)
    items[:] = items[begin:] + items[:begin]
    _refuse_flaky(items)


def _refuse_flaky(items: list[pytest.Item]) -> None:
    """What hypothesis tries is the same in every run but the deep one: CI fails for a reason."""
    for item in items:
        function = getattr(item, "obj", None)
        if getattr(function, "is_hypothesis_test", False):
            from tests.property.budget import IS_DEEP

            machine = getattr(item, "cls", None)  # of a stateful test
            own = getattr(function, "_hypothesis_internal_use_settings", None)
            settings = getattr(machine, "settings", own)
            if not IS_DEEP and not getattr(settings, "derandomize", False):
                raise pytest.UsageError(f"{item.nodeid} has no budget (tests/property/budget.py)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("minutes")
    if minutes and time.monotonic() > item.config.stash[_BEGUN] + minutes * 60:
        pytest.skip(_NO_TIME)


_THREADS = ThreadsLeft()
_APART = ("tests/faults/", "tests/interop/")
"""Their brokers and foreign parts, like those of broker tests, have threads that they end."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    _THREADS.begin()
    try:
        return (yield)
    finally:
        if item.get_closest_marker("broker") is None and not item.nodeid.startswith(_APART):
            _THREADS.end(item.nodeid)


# After the fixtures of the test, which may log. A fixture for this would cost each test more.
@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Whatever a test configures for its lines, the next one finds the loggers as they were."""
    if structlog.is_configured():
        structlog.reset_defaults()
    if running := _THREADS.running():
        pytest.fail(f"threads that still run: {'; '.join(running)}", pytrace=False)


def pytest_collection_finish(session: pytest.Session) -> None:
    # Modules live to the end. pytest looks for what tests have left behind by collecting all
    # garbage twice, which took a second while it went through the modules, too.
    gc.freeze()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    _tell_of_foreign_parts(terminalreporter)
    if not config.getoption("no_broker"):
        return
    count = config.stash.get(_SKIPPED, 0)
    terminalreporter.section("BROKER TESTS NOT RUN", sep="!", red=True, bold=True)
    terminalreporter.line(
        f"{count} tests need a Kafka broker and were skipped ({_SKIP_REASON}): "
        "this run says nothing about them.",
        red=True,
    )


def _tell_of_foreign_parts(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = [str(one.longrepr) for one in terminalreporter.stats.get("skipped", ())]
    left_out = [reason for reason in reasons if _FOREIGN_PARTS in reason]
    if left_out:
        terminalreporter.section("FOREIGN PARTS NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(left_out)} tests were skipped: {left_out[0]}", red=True)


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[RunningBroker]:
    """The session's broker, as --broker chose it; errors (never skips) if there is none."""
    if request.config.getoption("no_broker"):
        pytest.skip(_SKIP_REASON)  # asked for by name at run time, unseen at collection
    from tests.support.broker import open_broker
    from tests.support.shared_broker import ask_for_broker

    of_worker: dict[str, Any] | None = getattr(request.config, "workerinput", None)
    if of_worker is not None:
        yield ask_for_broker(of_worker[_HOST_PORT])
        return
    with open_broker(request.config.getoption("broker")) as running:
        yield running


@pytest.fixture(scope="session")
def secured(request: pytest.FixtureRequest) -> Iterator[SecuredAddresses]:
    """The session's broker with TLS, logins and rights (tests/support/secured_broker.py)."""
    if request.config.getoption("no_broker"):
        pytest.skip(_SKIP_REASON)
    from tests.support.secured_broker import SecuredBroker
    from tests.support.shared_broker import ask_for_secured_broker

    of_worker: dict[str, Any] | None = getattr(request.config, "workerinput", None)
    if of_worker is not None:
        yield ask_for_secured_broker(of_worker[_HOST_PORT])
        return
    with SecuredBroker() as running:
        yield running.addresses


@pytest.fixture(scope="session")
def bootstrap(broker: RunningBroker) -> str:
    """The session broker's ``host:port``. Tests share it: give topics and groups unique names."""
    return broker.bootstrap


@pytest.fixture
def scene(bootstrap: str, tmp_path: Path) -> Iterator[Scene]:
    """An app of its own on the session's broker; its workers end with the test."""
    from tests.support.scene import Scene

    scene = Scene(bootstrap, tmp_path)
    yield scene
    for worker in scene.workers:
        if worker.is_alive:
            worker.kill()
