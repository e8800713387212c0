"""`apply`: results in the order of lines, exit codes, and a command for every write."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from catactl.cli.framework import command_tree
from catactl.cli.framework.options import CONFIRMATION, EVERY_COMMAND, EXPECTED_VERSION, WRITES
from catactl.operations.batch_lines import _RUN_BY_THEMSELVES
from catactl.operations.registry import OPERATIONS
from tests.cli.support import NOBODY_LISTENS, Cli, Result, run_process, run_shell
from tests.support import BYTES_1


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "commands.jsonl"


_CREATE = {"command": "org.create", "name": "acme"}
_FILE = {"command": "file.create", "org": "acme", "name": "a"}
_PART = {
    "command": "part.record",
    "org": "acme",
    "file": "a",
    "number": 1,
    "size_bytes": 7,
    "sha256": BYTES_1,
}
_BAD = {"command": "file.complete", "org": "acme", "file": "nothing"}


def _write(source: Path, *documents: object) -> Path:
    source.write_text("".join(json.dumps(each) + "\n" for each in documents))
    return source


def _apply(cli: Cli, source: object, *options: object) -> Result:
    return cli("apply", "--from", source, *options)


def _rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.lines]


def _statuses(rows: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(row["line"], row["status"]) for row in rows]


def test_results_come_in_order_with_the_numbers_of_their_lines(cli: Cli, source: Path) -> None:
    result = _apply(cli, _write(source, _CREATE, _FILE, _PART))
    assert (result.code, result.stderr) == (0, "catactl: 3 lines done\n")
    rows = _rows(result)
    assert _statuses(rows) == [(1, "ok"), (2, "ok"), (3, "ok")]
    assert rows[2]["result"].items() >= {"number": 1, "size_bytes": 7, "version": 2}.items()
    assert rows[2]["result"]["events"] == cli.events()[-2:]
    assert cli.ok("usage", "show", "acme")["used_bytes"] == 7


def test_a_line_that_fails_leaves_the_others_and_exits_7(cli: Cli, source: Path) -> None:
    _write(source, _CREATE, _BAD, {"command": "nothing"}, _FILE)
    result = _apply(cli, source)
    assert result.code == 7
    assert _statuses(_rows(result)) == [(1, "ok"), (2, "error"), (3, "error"), (4, "ok")]
    assert result.stderr == "catactl: error: 2 of 4 lines failed; 2 are done\n"
    again = _apply(cli, source, "--json")
    assert again.code == again.error["exit"] == 7
    assert again.error["message"] == "4 of 4 lines failed; 0 are done"
    errors = [row["error"] for row in again.json]
    assert [error["code"] for error in errors] == [
        "already_exists",
        "not_found",
        "invalid_value",
        "already_exists",
    ]
    assert [error["exit"] for error in errors] == [4, 3, 2, 4]
    assert all(set(error) == set(again.error) for error in errors)


def test_an_atomic_run_exits_with_the_code_of_the_line_that_failed(cli: Cli, source: Path) -> None:
    result = _apply(cli, _write(source, _CREATE, _FILE, _BAD), "--atomic", "--json")
    assert (result.code, result.json) == (3, [])
    assert result.error["message"] == "line 3: no file 'nothing'; no line was committed"
    assert cli.ok("org", "list") == []
    assert _statuses(_rows(_apply(cli, _write(source, _CREATE, _FILE), "--atomic"))) == [
        (1, "ok"),
        (2, "ok"),
    ]


def test_a_dry_run_prints_the_results_of_a_real_run(cli: Cli, source: Path) -> None:
    result = _apply(cli, _write(source, _CREATE, _FILE, _FILE), "--dry-run")
    rows = _rows(result)
    assert result.code == 7
    assert _statuses(rows) == [(1, "ok"), (2, "ok"), (3, "error")]
    assert rows[0]["result"]["dry_run"] is True
    assert result.stderr == "catactl: error: 1 of 3 lines would fail; 2 would be done\n"
    result = _apply(cli, _write(source, _CREATE, _FILE), "--dry-run")
    assert (result.code, result.stderr) == (0, "catactl: 2 lines would be done\n")
    assert cli.ok("org", "list") == []


def test_fail_fast_stops_at_the_first_line_that_fails(cli: Cli, source: Path) -> None:
    _write(source, _CREATE, _BAD, _FILE)
    result = _apply(cli, source, "--fail-fast")
    assert (result.code, _statuses(_rows(result))) == (7, [(1, "ok"), (2, "error")])
    assert cli.ok("file", "list", "acme") == []
    cli.fails(2, "apply", "--from", source, "--fail-fast", "--atomic")


def test_each_line_under_a_key_runs_once(cli: Cli, source: Path) -> None:
    _write(source, _CREATE, {}, _FILE | {"key": "own"}, _PART)
    assert _apply(cli, source, "--idempotency-key", "import").code == 7
    events = cli.events()
    again = _apply(cli, source, "--idempotency-key", "import", "--batch", 1)
    assert [row.get("replayed") for row in _rows(again)] == [True, None, True, True]
    assert "1 of 4 lines failed; 3 are done, 3 of them by an earlier run" in again.stderr
    assert cli.events() == events
    # The key of the fourth line is the caller's key with the number of the line.
    record = ["part", "record", "acme", "a", "1", "--size=8", f"--sha256={BYTES_1}"]
    cli.fails(4, *record, "--idempotency-key", "import:4")


def test_every_format_has_one_row_per_line(sqlite_cli: Cli, source: Path) -> None:
    _write(source, _CREATE, _BAD)
    csv = _apply(sqlite_cli, source, "-o", "csv")
    assert csv.lines[0] == "line,status,result,error"
    assert [line.split(",", 2)[:2] for line in csv.lines[1:]] == [["1", "ok"], ["2", "error"]]
    assert "line 2: no file 'nothing'" in csv.stderr
    tsv = _apply(sqlite_cli, source, "-o", "tsv")
    assert [line.split("\t")[:2] for line in tsv.lines] == [["1", "error"], ["2", "error"]]
    assert _apply(sqlite_cli, source, "-o", "id").lines == ["1", "2"]
    assert [row["line"] for row in _apply(sqlite_cli, source, "-o", "json").json] == [1, 2]
    quiet = _apply(sqlite_cli, source, "-q")
    assert (quiet.code, quiet.stdout) == (7, "")
    assert [line.partition(": ")[2] for line in quiet.stderr.splitlines()] == [
        "error: line 1: organization 'acme' exists already",
        "error: line 2: no file 'nothing'",
        "error: 2 of 2 lines failed; 0 are done",
    ]


def test_an_unreadable_or_invalid_source_exits_2(
    sqlite_cli: Cli, source: Path, tmp_path: Path
) -> None:
    missing = sqlite_cli.fails(2, "apply", "--from", source)
    assert missing["message"] == f"cannot read {source}: No such file or directory"
    assert "Is a directory" in sqlite_cli.fails(2, "apply", "--from", tmp_path)["message"]
    _write(source, _CREATE)
    for options in (("--batch", 0), ("--batch", 100_001), ("--idempotency-key", "")):
        sqlite_cli.fails(2, "apply", "--from", source, *options)
    long_key = ("--idempotency-key", "k" * 257)
    assert "257 bytes" in _apply(sqlite_cli, source, *long_key).stderr
    assert sqlite_cli.ok("org", "list") == []


def test_input_without_lines_needs_a_database_all_the_same(stranger: Cli, source: Path) -> None:
    source.write_text("\n\n")
    stranger.fails(69, "apply", "--from", source, "--database-url", NOBODY_LISTENS)
    assert stranger.ok("apply", "--from", source) == []
    assert stranger.ok("org", "list") == []


def test_lines_come_from_standard_input_too(sqlite_cli: Cli, source: Path) -> None:
    text = _write(source, _CREATE, _FILE).read_text()
    done = run_process("apply", "--from", "-", "--atomic", stdin=text)  # reads it twice
    assert (done.code, _statuses(_rows(done))) == (0, [(1, "ok"), (2, "ok")])
    closed = run_shell('"$@" <&-', "apply", "--from", "-")
    assert (closed.returncode, closed.stdout) == (2, b"")
    assert b"catactl: error: cannot read -: Bad file descriptor" in closed.stderr


def test_all_lines_run_even_if_the_reader_of_the_output_stops(
    sqlite_cli: Cli, source: Path
) -> None:
    parts = [_PART | {"number": number} for number in range(1, 1_001)]
    _write(source, _CREATE, _FILE, *parts)
    script = '"$@" | head -c1; exit ${PIPESTATUS[0]}'
    done = run_shell(script, "apply", "--from", source, "--batch", "100")
    assert done.returncode == 0
    assert sqlite_cli.ok("usage", "show", "acme")["part_count"] == 1_000


# --- the same commands ----------------------------------------------------------------------------

_GROUPS = (EVERY_COMMAND, WRITES, EXPECTED_VERSION, CONFIRMATION)
_OPTIONS = [name for group in _GROUPS for name in group]
# What every command takes, and ORG, which a line has beside its command.
_OF_ALL = {"org", "help", *_OPTIONS}
# Options with units or several values, which JSON has as numbers in one unit and as lists.
_IN_JSON = {
    "quota": "quota_bytes",
    "size": "size_bytes",
    "cpu": "cpu_millis",
    "memory": "memory_bytes",
    "timeout": "timeout_seconds",
    "input_": "inputs",
    "command": "job_command",  # because "command" names the operation
    "files": "file",  # one file per line
}
# Fields of a line that are not arguments of its operation.
_OF_LINES = {"command", "org", "key", "actor", "reason", "expected_version"}
_IN_THE_PROGRAM_ALONE = {"from_"}  # a line is a document already


def _writes() -> Iterator[tuple[str, list[Any]]]:
    """Return every command that takes --dry-run, with all its parameters."""
    root: Any = command_tree.root()
    for noun in command_tree.NOUNS:
        group = root.get_command(None, noun)
        for verb in group.list_commands(None):
            parameters = group.get_command(None, verb).params
            if any(each.name == "dry_run" for each in parameters):
                yield f"{noun}.{verb}", parameters


def test_every_write_is_a_command_of_a_batch_or_declares_that_it_is_not() -> None:
    names = {name for name, _ in _writes()}
    assert names | {"apply"} == {*OPERATIONS, *_RUN_BY_THEMSELVES}
    assert not _RUN_BY_THEMSELVES & set(OPERATIONS)


def test_every_field_of_a_job_can_be_set_and_cleared(sqlite_cli: Cli, source: Path) -> None:
    job = {
        "image": "i",
        "job_command": "run it",
        "env": {"A": "1"},
        "cpu_millis": 500,
        "memory_bytes": 1_024,
        "timeout_seconds": 60,
        "schedule": "0 3 * * *",
        "inputs": ["a"],
    }
    line = {"command": "job.create", "org": "acme", "name": "j", **job}
    cleared: dict[str, Any] = {
        "command": "job.update",
        "org": "acme",
        "job": "j",
        "env": {},
        "inputs": [],
    }
    for field in ("job_command", "cpu_millis", "memory_bytes", "timeout_seconds", "schedule"):
        cleared[field] = None
    result = _apply(sqlite_cli, _write(source, _CREATE, _FILE, line, cleared))
    assert (result.code, result.stderr) == (0, "catactl: 4 lines done\n"), result.stdout
    _, file, created, updated = (row["result"] for row in _rows(result))
    shown = {**job, "inputs": [file["file_id"]], "command": job["job_command"]}
    del shown["job_command"]
    assert created.items() >= shown.items()
    nothing = dict.fromkeys(("command", "cpu_millis", "memory_bytes", "timeout_seconds"))
    assert updated.items() >= {**nothing, "schedule": None, "env": {}, "inputs": []}.items()


def test_the_arguments_of_a_verb_are_the_options_of_its_command() -> None:
    for name, parameters in _writes():
        if name in _RUN_BY_THEMSELVES:
            continue
        own = {each.name: each for each in parameters if each.name not in _OF_ALL}
        options = {_IN_JSON.get(each, each) for each in set(own) - _IN_THE_PROGRAM_ALONE}
        assert set(OPERATIONS[name].arguments) == options, name
        assert not set(OPERATIONS[name].arguments) & _OF_LINES, name
        for option, parameter in own.items():
            if parameter.required:
                assert OPERATIONS[name].arguments[_IN_JSON.get(option, option)].is_required, name
        takes_version = any(each.name == "expected_version" for each in parameters)
        assert OPERATIONS[name].is_versioned == takes_version, name
        assert OPERATIONS[name].creates != any(each.name == "org" for each in parameters), name
