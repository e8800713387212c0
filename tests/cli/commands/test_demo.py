"""catactl demo: it prints the commands that it runs, and fails if files or usage differ."""

import filecmp
import os
import shlex
from pathlib import Path

import pytest

from catactl.cli.commands import demo
from catactl.errors import Busy
from tests.cli.support import Cli

_NAMES = ["-0", "below/1", "below/2", "below/3", "below/4"]


@pytest.fixture(autouse=True)
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_PROCESSES", 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of five files: the fourth is interrupted and the fifth is deleted."""
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    for name in _NAMES:
        (folder / name).write_bytes(os.urandom(100))
    return folder


def test_the_demo_prints_the_commands_that_it_runs(cli: Cli, folder: Path) -> None:
    database = os.environ["CATACTL_DATABASE_URL"]
    result = cli("demo", folder, "--database-url", database, "-o", "table")
    assert (result.code, result.stderr) == (0, "")
    prompt = "$ catactl "
    typed = [line.removeprefix(prompt) for line in result.lines if line.startswith(prompt)]
    commands = [shlex.split(line) for line in typed]
    assert f"{len(commands)} commands" in result.lines[-1]

    (org,) = cli.ok("org", "list")
    events = [event["type"] for event in cli.ok("event", "list", org["name"])]
    uploads = [command for command in commands if command[:2] == ["file", "upload"]]
    assert len(uploads) == len(_NAMES) + 1
    assert events.count("file.completed") == len(_NAMES)
    assert sum(command[:2] == ["part", "upload"] for command in commands) == 1
    assert events.count("file.part_uploaded") == len(_NAMES) + 1
    assert sum(command[:2] == ["file", "delete"] for command in commands) == 1
    assert events.count("file.deleted") == 1
    assert [row["name"] for row in cli.ok("file", "list", org["name"])] == _NAMES[:-1]
    (command,) = (command for command in uploads if "--name=below/1" in command)
    again = cli(*command)
    assert (again.code, "unchanged" in again.stdout) == (0, True)


def test_a_file_that_differs_is_a_finding(
    sqlite_cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filecmp, "cmp", lambda _path, copy, **_: "below" in copy)
    result = sqlite_cli("demo", folder, "--json")
    assert result.code == 6
    assert "this is a bug" in result.error["message"]
    assert (result.json["files_same"], result.json["files_compared"]) == (3, 4)
    assert result.json["used_bytes"] == result.json["events_bytes"] == 400


def test_the_code_of_a_command_that_fails_is_the_code_of_the_demo(
    sqlite_cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "QuotaExceeded", Busy)
    result = sqlite_cli("demo", folder)
    assert result.code == 5
    assert "quota of organization" in result.stderr
