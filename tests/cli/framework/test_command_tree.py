"""Properties of all commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from catactl.cli.framework import command_tree
from catactl.cli.framework.exit_codes import BUG, EXIT_CODES, exit_code
from catactl.cli.framework.help_format import contexts
from catactl.errors import CatactlError
from tests.cli.support import Cli, leaves_of, run_process
from tests.support import ROOT

_EVERY = ("--json", "--output", "--quiet", "--verbose", "--no-color", "--lock-timeout")
_WRITES = ("--dry-run", "--idempotency-key", "--actor", "--reason")
_WRITING = {
    "org": {"create", "rename", "suspend", "resume", "delete"},
    "quota": {"set", "clear"},
    "user": {"add", "update", "disable", "enable", "remove"},
    "job": {"create", "update", "enable", "disable", "delete"},
    "file": {"create", "complete", "delete", "restore", "upload"},
    "part": {"record", "upload"},
    "blob": {"gc"},
    "usage": {"recompute"},
    "projection": {"rebuild"},
}
_ON_ONE_STREAM = {
    "org": {"rename", "suspend", "resume", "delete"},
    "quota": {"set", "clear"},
    "job": {"create", "update", "enable", "disable", "delete"},
    "file": {"create", "complete", "delete", "restore"},
    "part": {"record", "upload"},
}
every_first_word = pytest.mark.parametrize("first", [*command_tree.NOUNS, *command_tree.COMMANDS])


@every_first_word
def test_every_command_has_help_with_an_example_and_every_common_option(
    first: str, stranger: Cli
) -> None:
    for path in leaves_of(first):
        result = stranger(*path, "--help")
        assert (result.code, result.stderr) == (0, ""), path
        assert f"Example: catactl {' '.join(path)}" in result.stdout
        for option in (*_EVERY, "--database-url", "--profile"):
            assert re.search(rf"{option}\b", result.stdout), f"{path} lacks {option}"


@pytest.mark.parametrize("noun", _WRITING)
def test_every_write_takes_the_options_of_writes(noun: str, stranger: Cli) -> None:
    for verb in _WRITING[noun]:
        text = stranger(noun, verb, "--help").stdout
        options = _WRITES + (("--expected-version",) * (verb in _ON_ONE_STREAM.get(noun, ())))
        for option in options:
            assert re.search(rf"{option}\b", text), f"{noun} {verb} lacks {option}"


@every_first_word
def test_every_first_word_has_a_line_in_the_help(first: str, stranger: Cli) -> None:
    text = stranger("--help").stdout
    assert re.search(rf"^ +{first} +\S", text, re.MULTILINE)


@every_first_word
def test_every_command_reports_usage_and_connection_errors_in_json(
    first: str, stranger: Cli, tmp_path: Path
) -> None:
    unreachable = ("--database-url", "postgresql://nobody@127.0.0.1:1/none")
    for path in leaves_of(first):
        assert "--nosuch" in stranger.fails(2, *path, "--nosuch")["message"]
        *_, ctx = contexts(command_tree.root(), *path)
        required = [str(tmp_path / "1") for each in ctx.command.params if each.required]
        result = stranger(*path, *required, *unreachable, "--json")
        assert result.code in EXIT_CODES.keys() - {BUG}, path
        if result.code == 0:
            assert result.stderr == "", path
            continue
        assert result.error["exit"] == result.code
        if path != ("doctor",):  # to which this is a finding
            assert result.stdout == "", path


@every_first_word
def test_a_number_that_no_database_can_count_to_is_refused(first: str, stranger: Cli) -> None:
    for path in leaves_of(first):
        *_, ctx = contexts(command_tree.root(), *path)
        required = [each for each in ctx.command.params if each.required]
        for counted in ctx.command.params:
            if counted.type.name not in {"integer", "integer range"}:
                continue
            given = ["1" * 30 if each is counted else "1" for each in required]
            option = [] if counted in required else [counted.opts[0], "1" * 30]
            assert "not in the range" in stranger.fails(2, *path, *given, *option)["message"], path


def test_a_closed_pipe_and_a_poor_locale_are_not_errors(home: Path) -> None:
    for script, code, complaints in (
        ('"$@" schema | head -n 1; exit "${PIPESTATUS[0]}"', 0, 0),
        ('"$@" help --all >&-', 69, 1),
    ):
        done = subprocess.run(
            ["bash", "-c", script, "bash", sys.executable, "-m", "catactl"],
            env=os.environ | {"LC_ALL": "C", "NO_COLOR": "1"},
            capture_output=True,
            cwd=ROOT,
            check=False,
            timeout=300,
        )
        assert (done.returncode, done.stderr.count(b"\n")) == (code, complaints), done


def test_nothing_but_the_name_prints_help_and_is_an_error(stranger: Cli) -> None:
    for arguments in ((), ("org",)):
        result = stranger(*arguments)
        assert (result.code, result.stdout) == (2, "")
        assert "Usage: catactl" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ogr"], "no such command 'ogr'"),
        (["org", "creat"], "no such command 'creat'"),
        (["org", "show"], "missing argument"),
        (["org", "list", "--no-such-option"], "no such option"),
        (["event", "list", "acme", "--limit", "many"], "--limit"),
        (["event", "list", "acme", "--limit", "0"], "--limit"),
        (["org", "list", "--lock-timeout", "-1"], "--lock-timeout"),
        (["org", "list", "--lock-timeout", "nan"], "--lock-timeout"),
        (["org", "list", "--lock-timeout", "inf"], "--lock-timeout"),
    ],
)
def test_a_usage_error_exits_2(arguments: list[str], message: str, sqlite_cli: Cli) -> None:
    error = sqlite_cli.fails(2, *arguments)
    assert message in error["message"]
    assert error["retryable"] is False


def test_without_json_an_error_is_a_line_and_a_hint(sqlite_cli: Cli) -> None:
    sqlite_cli.ok("org", "create", "acme")
    result = sqlite_cli("org", "show", "acm")
    assert (result.code, result.stdout) == (3, "")
    assert result.stderr == ("catactl: error: no organization 'acm'\nhint: did you mean 'acme'?\n")


def test_an_unknown_output_format_is_refused(sqlite_cli: Cli) -> None:
    result = sqlite_cli("org", "list", "-o", "xml")
    assert (result.code, result.stdout) == (2, "")
    assert "json" in result.stderr


def test_every_error_has_an_exit_code_of_its_own() -> None:
    pending, seen = [CatactlError], set()
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        if cls is not CatactlError and cls.__module__ == "catactl.errors":
            seen.add(exit_code(cls("x")))
    assert seen == {code for code, row in EXIT_CODES.items() if row.errors}
    assert seen == {2, 3, 4, 5, 6, 7, 8, 69, 75, 77, 78}


def test_a_separate_process_has_the_same_output_and_exit_code(sqlite_cli: Cli) -> None:
    created = run_process("org", "create", "acme", "--json")
    assert (created.code, created.stderr) == (0, "")
    shown = run_process("org", "show", "acme", "--json")
    assert shown.json.items() <= created.json.items()
    unknown = run_process("org", "show", "amce", "--json")
    assert (unknown.code, unknown.stdout, unknown.error["code"]) == (3, "", "not_found")
    piped = run_process(
        "job", "create", "acme", "nightly", "--from", "-", "--json", stdin='{"image": "x"}'
    )
    assert piped.json["image"] == "x"


def test_a_bug_is_reported_in_one_line_with_the_path_of_its_trace(
    sqlite_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError("postgresql://me:s3cr3t@host/db")

    monkeypatch.setattr("catactl.cli.commands.org.list.list_organizations", breaks)
    error = sqlite_cli.fails(1, "org", "list")
    assert error["code"] == "bug"
    path = error["hint"].rpartition(" ")[2]
    with open(path) as trace:
        text = trace.read()
    assert "ZeroDivisionError" in text
    assert "s3cr3t" not in text
