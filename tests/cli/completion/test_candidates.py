"""Candidates for the next word of a command line."""

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from catactl.cli.completion import candidates
from tests.cli.support import Cli
from tests.support import ROOT

Words = Callable[..., list[str]]


@pytest.fixture
def words(home: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """Return a function that lists the completions of arguments in zsh, or `paths` for a path."""

    def ask(*arguments: str) -> list[str]:
        with monkeypatch.context() as patched:
            patched.setenv("_CATACTL_COMPLETE", "zsh")
            patched.setattr(
                candidates, "_TIMEOUT_SECONDS", 60.0
            )  # because the timeout exits the tests
            result = Cli()(*arguments)
        assert (result.code, result.stderr) == (0, "")
        kind, *rest = result.lines or ["nothing"]
        return [line.partition("\t")[0] for line in rest] if kind == "words" else [kind]

    return ask


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["us"], ["user", "usage"]),
        (["quota", ""], ["set", "clear", "list"]),
        (["org", "list", "--qu"], ["--quiet"]),
        (["org", "list", "--quiet", "--qu"], []),
        (["org", "list", "-o", "js"], ["json", "jsonl"]),
        (["org", "list", "--output=c"], ["--output=csv"]),
        (["usage", "history", "--every", ""], ["hour", "day", "month"]),
        (["usage", "report", "--unit", "GB-"], ["GB-hours", "GB-month"]),
        (["user", "add", "--role", ""], ["owner", "admin", "member"]),
        (["topology", "--format", "m"], ["mermaid"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["help", "exit"], ["exit-codes"]),
        (["projection", "rebuild", "storage_usage", "storage_usage"], ["storage_usage_days"]),
        (["file", "upload", "acme", ""], ["paths"]),
        (["usage", "report", "--html=x"], ["paths"]),
        (["job", "create", "acme", "nightly", "--from", ""], ["paths"]),
        (["org", "create", ""], []),
        (["org", "create", "acme", "--quota", ""], []),
        (["nosuch", ""], ["nothing"]),
    ],
)
def test_words_of_the_tree_are_known_without_a_database(
    arguments: list[str], expected: list[str], words: Words, home: Path
) -> None:
    assert words(*arguments) == expected
    assert list(home.iterdir()) == []


def test_profiles_are_completed_from_the_configuration_file(words: Words, home: Path) -> None:
    folder = home / "config" / "catactl"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[profiles.production]\n[profiles.test]\n")
    assert words("org", "list", "--profile", "p") == ["production"]


# --- names ----------------------------------------------------------------------------------------


def test_names_are_completed_from_the_database(acme: Cli, words: Words) -> None:
    for name in ("Acme", "100%", "100x", "other"):
        acme.ok("org", "create", name)
    acme.ok("org", "delete", "other", "--confirm", "other")
    assert words("org", "show", "") == ["100%", "100x", "Acme", "acme"]
    assert words("org", "show", "a") == ["acme"]
    assert words("org", "show", "100%") == ["100%"]
    assert words("usage", "show", "acme", "a") == []

    acme.has_file("acme", "reports/2026.csv")
    acme.has_file("acme", "reports/2025.csv")
    acme.ok("file", "delete", "acme", "reports/2025.csv")
    org_id = acme.ok("org", "show", "acme")["org_id"]
    for org in ("acme", org_id):
        assert words("file", "show", org, "reports/") == ["reports/2026.csv"]
    assert words("file", "restore", "acme", "reports/") == ["reports/2025.csv"]
    assert words("file", "delete", "acme", "reports/2026.csv", "") == []
    assert words("file", "show", "Acme", "") == []
    assert words("file", "show", "nosuch", "") == []

    acme.ok("job", "create", "acme", "nightly", "--image", "x")
    acme.ok("user", "add", "acme", "ada@example.com")
    assert words("job", "show", "--json", "acme", "n") == ["nightly"]
    assert words("job", "update", "acme", "nightly", "--input", "") == ["reports/2026.csv"]
    assert words("user", "show", "acme", "ada@") == ["ada@example.com"]


def test_names_are_never_options_or_control_characters(
    sqlite_acme: Cli, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sqlite_acme("org", "create", "--", "-dash").code == 0
    assert words("org", "show", "") == ["acme"]
    assert words("org", "show", "--", "-") == ["-dash"]
    names = ["acme", "a\x1b[31m", "a\nb", "a\u202eb"]
    monkeypatch.setattr("catactl.store.name_lookup.organization_names_from", lambda *_: names)
    assert words("org", "show", "a") == ["acme"]


def test_the_database_on_the_command_line_is_used(
    stranger: Cli, words: Words, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    stranger.ok("org", "create", "elsewhere", "--database-url", url)
    (tmp_path / "url").write_text(url)
    assert words("org", "show", "") == []
    for option in (["--database-url", url], [f"--database-url-file={tmp_path}/url"]):
        assert words("org", "show", *option, "e") == ["elsewhere"]


def test_without_a_readable_database_nothing_is_completed(
    words: Words, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no database" * 100)
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE customers (name TEXT)")
    foreign.close()
    before = (tmp_path / "foreign.db").read_bytes()
    for url in (
        f"sqlite:///{tmp_path}/missing.db",
        f"sqlite:///{tmp_path}/text",
        f"sqlite:///{tmp_path}/foreign.db",
        f"sqlite:///{tmp_path}/no/folder.db",
        "postgresql://nobody@127.0.0.1:1/none",
        "no URL",
    ):
        assert words("org", "show", "--database-url", url, "") in ([], ["nothing"])
    assert words("org", "show", "--profile", "nosuch", "") == ["nothing"]
    assert words("org", "show", "") == []
    assert list(home.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"text", "foreign.db", home.name}
    assert (tmp_path / "foreign.db").read_bytes() == before


def test_another_schema_has_no_names(
    words: Words, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.ok("org", "create", "acme")
    monkeypatch.setattr("catactl.store.migrations.SCHEMA_REVISION", "9999")
    assert words("org", "show", "") == []


def test_a_server_that_does_not_respond_is_abandoned(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://me@127.0.0.1:{server.getsockname()[1]}/none"
        done = subprocess.run(
            [sys.executable, "-m", "catactl", "org", "show", "--database-url", url, ""],
            env=os.environ | {"_CATACTL_COMPLETE": "zsh"},
            capture_output=True,
            cwd=ROOT,
            timeout=8,  # less than a connection is otherwise waited for
            check=False,
        )
    assert (done.stdout, done.stderr) == (b"", b"")
