"""The files of ``make secured`` are what the commands take."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from tests.support.certificates import Authority
from tests.support.secured_broker import SecuredAddresses, write_way


def test_the_files_of_a_trial_are_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority()
    addresses = SecuredAddresses(
        *("plain:1", "tls:2", "mutual:3", "localhost:4", "open:5"),
        authority.certificate,
        authority.issue("client"),
    )
    write_way(tmp_path / "trial", addresses)
    monkeypatch.chdir(tmp_path / "trial")
    checked = CliRunner().invoke(main, ["config", "check"])
    assert (checked.exit_code, checked.stderr) == (0, "")
    shown = CliRunner().invoke(main, ["config", "show", "worker"]).stdout
    assert '"localhost:4"' in shown
    assert "SCRAM-SHA-512" in shown
