"""All tasks and threads of the program are started where somebody hears of their errors."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "streamproc"
HOME = SOURCES / "supervision.py"
STARTING = {
    *("create_task", "ensure_future", "run_coroutine_threadsafe", "TaskGroup"),
    *("Thread", "Timer", "start_new_thread", "Process", "Pool"),
    *("ThreadPoolExecutor", "ProcessPoolExecutor"),
}
"""Names that start a task, a thread or a process of Python; ``faust`` watches its own."""
WAITED_FOR = {"run_in_executor", "to_thread", "submit", "start_task"}
"""Calls whose result says whether the work has failed."""
NAMED = re.compile("|".join(STARTING | WAITED_FOR))
OWN = {"streamproc/lab/oracle/timers.py": "Timer"}
"""A class of this program that has such a name."""


def calls(path: Path) -> list[str]:
    """What a module starts itself, or starts and does not look at, as LINE: NAME."""
    found: list[str] = []
    text = path.read_text(encoding="utf-8")
    if not NAMED.search(text):  # the syntax tree takes longest
        return found
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.expr | ast.stmt):
            continue
        name = _name(node.func) if isinstance(node, ast.Call) else ""
        if name in STARTING and OWN.get(path.relative_to(SOURCES.parent).as_posix()) != name:
            found.append(f"{node.lineno}: {name}")
        if isinstance(node, ast.ClassDef) and {_name(base) for base in node.bases} & STARTING:
            found.append(f"{node.lineno}: class {node.name}")
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name = _name(node.value.func)
            # A task may be left alone if something hears of its error.
            is_heard = name == "start_task" and len(node.value.args) > 2
            if name in WAITED_FOR and not is_heard:
                found.append(f"{node.lineno}: {name} without a look at its result")
    return found


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_tasks_and_threads_are_started_in_one_place() -> None:
    found = {
        str(path.relative_to(SOURCES.parent)): told
        for path in sorted(SOURCES.rglob("*.py"))
        if path != HOME and (told := calls(path))
    }

    assert found == {}, "start them with streamproc.supervision"


def test_the_walk_finds_every_way_to_start_something(tmp_path: Path) -> None:
    module = tmp_path / "streamproc" / "one.py"
    module.parent.mkdir()
    lines = [
        "asyncio.create_task(work())",
        "loop.create_task(work())",
        "x = ensure_future(work())",
        "threading.Thread(target=work).start()",
        "class Reader(threading.Thread): pass",
        "loop.run_in_executor(None, work)",
        "pool.submit(work)",
        "start_task(work(), 'work')",
    ]
    for line in lines:
        module.write_text(line)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"{__name__}.SOURCES", module.parent)
            assert calls(module), line
