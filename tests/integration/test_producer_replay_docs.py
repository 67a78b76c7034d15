"""Every command and every Python example of docs/producer.md and docs/replay.md runs as written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaConsumer

from streamproc.kafka.topics import topic_facts
from streamproc.producing.readers.mapping import parse_mapping
from tests.support.cluster import Names, WorkerProcess
from tests.unit.test_readers_forms import CSV, USAGE, usage_line

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Topic names in the pages; each run has its own.
TOPICS = ("usage", "live", "again", "part", "recent", "paced", "checked")


def blocks(page: str, language: str) -> list[str]:
    found = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


def renamed(text: str, suffix: str) -> str:
    """The text with this run's topics, since the tests share a broker."""
    for name in TOPICS:
        text = re.sub(
            "((?:--topic|--to|--reminders|--audit|--rejects) |record |verify-outputs |topic:)"
            rf"{name}\b",
            rf"\g<1>{name}-{suffix}",
            text,
        )
    return text


def shell(line: str, directory: Path, bootstrap: str) -> str:
    done = subprocess.run(
        ["bash", "-ec", line],
        cwd=directory,
        env={
            **os.environ,
            "BROKER": bootstrap,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def values(bootstrap: str, topic: str) -> list[dict[str, object]]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest",
        isolation_level="read_committed", consumer_timeout_ms=2_000,
    )  # fmt: skip
    try:
        return [json.loads(record.value) for record in consumer]
    finally:
        consumer.close()


def test_producer_page(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suffix = uuid4().hex[:8]
    topic_facts(bootstrap, f"usage-{suffix}", create_partitions=4)
    mapping, running_totals = blocks("producer.md", "yaml")
    parse_mapping(mapping, "columns.yaml")
    parse_mapping(mapping + running_totals, "columns.yaml")
    (tmp_path / "number.txt").write_text("8613800000001\n")
    (tmp_path / "event.json").write_text(blocks("producer.md", "json")[0])
    (tmp_path / "columns.yaml").write_text(mapping)
    # Only its good rows: with a bad one the command ends with 1.
    (tmp_path / "usage.csv").write_text("".join(CSV.splitlines(keepends=True)[:3]))
    (tmp_path / "plain.ndjson").write_text(usage_line("from-file"))
    shell("gzip -c plain.ndjson > usage.ndjson.gz", tmp_path, bootstrap)
    (tmp_path / "cdrs.csv").write_text(
        "c0ffee02,*default,*data,d1,*rated,t.org,call,1001,1001,data,2026-01-05T08:42:25Z,"
        "2026-01-05T08:42:26Z,1048576,0.012\n"
    )
    (tmp_path / "usage.json").write_text(json.dumps(USAGE))
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "one.ndjson").write_text(usage_line("from-drop"))

    commands = [
        line for block in blocks("producer.md", "sh") for line in block.splitlines() if line
    ]
    for line in commands:
        shell(renamed(line, suffix), tmp_path, bootstrap)
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("producer.md", "python")
    example = example.replace('"usage"', f'"usage-{suffix}"')
    exec(compile(example, "docs/producer.md", "exec"), {"broker": bootstrap})

    assert len(commands) == 7
    found = sorted(str(one["id"]) for one in values(bootstrap, f"usage-{suffix}"))
    assert found == sorted(
        ["cdr-1", "t-1", "cdr-2", "from-file", "s1-1", "s1-2", "c0ffee02-*default",
         str(USAGE["id"]), "from-drop"]
    )  # fmt: skip


def test_replay_page(bootstrap: str, tmp_path: Path) -> None:
    names = Names(f"checked-{uuid4().hex[:8]}")
    suffix = names.app_id.removeprefix("checked-")
    names.events = names.app_id
    worker: WorkerProcess | None = None
    said = {}
    for line in (one for text in blocks("replay.md", "sh") for one in text.splitlines() if one):
        if "verify-outputs" in line:
            worker = WorkerProcess(bootstrap, names, tmp_path, "worker").start()
        try:
            said[line] = shell(renamed(line, suffix), tmp_path, bootstrap)
        finally:
            if worker is not None:
                worker.kill()

    assert len(said) == 12
    by_end = {line.split()[-1]: text for line, text in said.items()}
    assert "usage.recorded" in by_end["--dry-run"]
    assert "equal to the oracle" in by_end["checked.rejects"]
    copied = [text for line, text in said.items() if "--to again" in line]
    assert copied[0].startswith("20,000 records to again")
    assert (tmp_path / "hidden.ndjson.zst").stat().st_size > 1_000
