"""Messages on stderr: with -v, and as log lines in JSON."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from catactl.cli.output import progress
from tests.cli.support import Cli, Result, sha256

_WRITES: list[tuple[list[str], list[str]]] = [
    (["file", "create", "acme", "new"], ["file.created", "organization.storage_usage_changed"]),
    (["job", "create", "acme", "j", "--image=x", "--input=data.bin"],
     ["job_configuration.created", "file.linked"]),
    (["quota", "set", "acme", "1GB"], ["organization.quota_set"]),
    (["user", "add", "acme", "ada@example.com"], []),
    (["usage", "recompute"], []),
]  # fmt: skip


def _lines(result: Result) -> list[dict[str, Any]]:
    assert result.code == 0, result
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    for line in lines:
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
        assert line["level"] in {"debug", "info", "warning", "error"}
        assert line["message"]
    return lines


@pytest.mark.parametrize(("command", "events"), _WRITES, ids=lambda value: "-".join(value)[:12])
def test_verbose_shows_the_events_and_statements_of_a_write(
    command: list[str], events: list[str], cli: Cli
) -> None:
    cli.has_file("acme", "data.bin", 100)
    result = cli(*command, "-v")
    assert result.code == 0
    assert re.findall(r"└─ event \d+ (\S+) of stream [0-9a-f-]{36}", result.stderr) == events
    assert re.search(r"^catactl: sql \d+\.\d\d ms: .*COMMIT", result.stderr, re.M) or not events
    assert re.search(r"^catactl: done in .* \d+ SQL statements in", result.stderr, re.M)
    assert all(line.startswith("catactl: ") for line in result.stderr.splitlines())


def test_verbose_shows_which_saga_reacted_to_which_event(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    stderr = cli("file", "create", "acme", "data.bin", "-v").stderr
    tree = [line.partition("catactl: ")[2] for line in stderr.splitlines() if "─" in line]
    shape = [re.sub(r" of stream \S+", "", line) for line in tree]
    assert shape == [
        "└─ event 2 file.created",
        "   └─ saga storage_usage ─ command change storage usage",
        "      └─ event 3 organization.storage_usage_changed",
        "         ├─ view storage_usage",
        "         └─ view storage_usage_days",
    ]


def test_verbose_shows_the_statements_of_a_read_unless_quiet(acme: Cli) -> None:
    result = acme("org", "show", "acme", "-v")
    assert "SELECT … FROM organizations" in result.stderr
    for quiet in (["-q"], ["--json"], ["-o", "jsonl"]):
        assert acme("org", "show", "acme", "-v", *quiet).stderr == ""


def test_verbose_distinguishes_a_repeated_command_from_a_dry_run(acme: Cli) -> None:
    create = ("file", "create", "acme", "data.bin", "-v")
    dry = acme(*create, "--dry-run").stderr
    assert "file.created" in dry
    assert "rolled back" in dry
    key = ("--idempotency-key", "k")
    assert "done before" not in acme(*create, *key).stderr
    again = acme(*create, *key).stderr
    assert "done before under this idempotency key" in again
    assert "file.created" not in again


def test_log_lines_are_json_beside_whatever_result(acme: Cli, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"content")
    upload = ("file", "upload", "acme", tmp_path / "data.bin", "-v", "--log-format=json")
    result = acme(*upload, "--json")
    assert result.json["events"][-1] == "file.completed"
    lines = _lines(result)
    events = [line for line in lines if "type" in line]
    assert [line["type"] for line in events] == result.json["events"]
    assert [line["position"] for line in events] == list(range(2, 2 + len(events)))
    usage = events[1]
    assert (usage["saga"], usage["cause_position"]) == ("storage_usage", 2)
    assert usage["command"] == "change storage usage"
    done = lines[-1]
    assert done["sql_statements"] == sum(
        int(match[1].replace(",", "")) if (match := re.search(r"\((.*) times\)$", sql)) else 1
        for line in lines
        for sql in line.get("sql", [])
    )
    assert sha256(b"content") not in result.stderr


def test_json_output_has_no_messages_without_verbose(sqlite_acme: Cli, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x")
    upload = ("file", "upload", "acme", tmp_path / "a", tmp_path / "b", "--log-format", "json")
    assert sqlite_acme(*upload, "--json").stderr == ""
    (note,) = _lines(sqlite_acme(*upload))
    assert note["level"] == "info"
    assert note["message"].startswith("2 files")
    assert sqlite_acme(*upload, "--quiet").stderr == ""


def test_an_error_among_log_lines_is_one_of_them(
    sqlite_acme: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATACTL_LOG_FORMAT", "json")
    upload = sqlite_acme("file", "upload", "acme", tmp_path / "no-such", tmp_path / "neither")
    lines = [json.loads(line) for line in upload.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["error", "error", "info", "error"]
    assert lines[-1]["error"]["exit"] == upload.code == 7
    assert lines[-1]["error"]["message"] == lines[-1]["message"]


def test_progress_is_a_message_like_every_other(
    sqlite_acme: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", -1.0)
    progress_line = sqlite_acme("usage", "check").stderr
    assert progress_line.startswith("catactl: checking: 1 of 1 organization, ")
    assert sqlite_acme("usage", "check", "--json").stderr == ""
    (line,) = _lines(sqlite_acme("usage", "check", "--log-format=json"))
    assert (line["completed"], line["total"]) == (1, 1)


def test_another_log_format_is_refused(sqlite_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'text', 'json'" in sqlite_cli.fails(2, "org", "list", "--log-format", "xml")["message"]
    monkeypatch.setenv("CATACTL_LOG_FORMAT", "xml")
    assert "CATACTL_LOG_FORMAT" in sqlite_cli.fails(78, "org", "list")["message"]
