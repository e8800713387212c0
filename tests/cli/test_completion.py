"""What may come next on a command line, and the scripts that ask."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catactl.cli.completion import candidates
from catactl.cli.completion.quoting import Line, quoted, read
from tests.cli.support import Cli
from tests.support import ROOT

# The first would be an option; the others hold what shells take for something else.
_NAMES = ["-dash", "my org", "it's", 'say "hi"', "a$b`c`", "a*?[b]", "~x#;&|<>()", "bang!x", "ü ö"]

Words = Callable[..., list[str]]


@pytest.fixture
def words(home: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """What may come at the end of the arguments, as zsh is told; `paths` where it is a path."""

    def ask(*arguments: str) -> list[str]:
        with monkeypatch.context() as patched:
            patched.setenv("_CATACTL_COMPLETE", "zsh")
            patched.setattr(candidates, "_PATIENCE_SECONDS", 60.0)  # whose end would end the tests
            result = Cli()(*arguments)
        assert (result.code, result.stderr) == (0, "")
        kind, *rest = result.lines or ["nothing"]
        return [line.partition("\t")[0] for line in rest] if kind == "words" else [kind]

    return ask


# --- the tree -------------------------------------------------------------------------------------


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
        (["projection", "rebuild", "storage_usage", "storage_usage"], ["storage_usage_days"]),
        (["file", "upload", "acme", ""], ["paths"]),
        (["usage", "report", "--html=x"], ["paths"]),
        (["job", "create", "acme", "nightly", "--from", ""], ["paths"]),
        (["org", "create", ""], []),
        (["org", "create", "acme", "--quota", ""], []),
        (["help", "exit"], ["exit-codes"]),
        (["nosuch", ""], ["nothing"]),
    ],
)
def test_words_of_the_tree_are_known_without_a_database(
    arguments: list[str], expected: list[str], words: Words, home: Path
) -> None:
    assert words(*arguments) == expected
    assert list(home.iterdir()) == []


def test_profiles_are_those_of_the_configuration_file(words: Words, home: Path) -> None:
    folder = home / "config" / "catactl"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[profiles.production]\n[profiles.test]\n")
    assert words("org", "list", "--profile", "p") == ["production"]


# --- names ----------------------------------------------------------------------------------------


def test_names_are_those_in_the_database_that_begin_so(acme: Cli, words: Words) -> None:
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


def test_the_database_named_on_the_line_is_asked(
    stranger: Cli, words: Words, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    stranger.ok("org", "create", "elsewhere", "--database-url", url)
    (tmp_path / "url").write_text(url)
    assert words("org", "show", "") == []
    for option in (["--database-url", url], [f"--database-url-file={tmp_path}/url"]):
        assert words("org", "show", *option, "e") == ["elsewhere"]


def test_without_a_database_that_can_be_read_there_are_no_names(
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


def test_a_server_that_does_not_answer_is_not_waited_for(home: Path) -> None:
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


# --- shells ---------------------------------------------------------------------------------------

_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


@given(_TEXTS, st.sampled_from(["", "'", '"']))
@example("it's", "'")
@example("bang!", '"')
def test_what_is_quoted_is_read_as_it_was(text: str, quote: str) -> None:
    as_typed = quoted(text, quote)
    if as_typed is None:
        assert quote
        assert set(text) & {"'", "!"}
        return
    line = f"catactl org show {quote}{as_typed}"
    assert read(line) == (["catactl", "org", "show"], text, quote)


@given(_TEXTS, st.data())
def test_what_is_typed_and_what_replaces_its_end_are_the_word(
    word: str, data: st.DataObject
) -> None:
    typed = quoted(word, "") or ""
    begun = typed[: data.draw(st.integers(0, len(typed)))]
    fragment = begun[data.draw(st.integers(0, len(begun))) :]
    line = Line(f"catactl org show {begun}", fragment)
    assert line.before == ["org", "show"]
    assert word.startswith(line.typed)
    kept = begun.removesuffix(fragment)
    if not kept.endswith("\\"):  # which the shell counts to what it replaces
        assert read(f"{kept}{line.ending(word)}").last == word


_ASK = """
OURS
ask() {  # the line before, what of it is to be replaced, and the quote that closes it
    COMP_LINE=$1$2 COMP_POINT=$((${#1} + ${#2}))
    _catactl catactl "$2" show
    for each in "${COMPREPLY[@]}"; do
        [[ $3 && $each == *"$3" ]] || each+=$3  # as readline does
        eval "words=($1$each)"
        printf '%s\n' "${words[@]: -1}"
    done
    echo
}
"""


@pytest.fixture
def environment(sqlite_cli: Cli, tmp_path: Path) -> dict[str, str]:
    """Where `catactl` is the program, on a database with organizations of all those names."""
    for name in _NAMES:
        assert sqlite_cli("org", "create", "--", name).code == 0
    program = tmp_path / "bin" / "catactl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m catactl "$@"\n')
    program.chmod(0o755)
    return os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def _run(shell: str, script: str, environment: dict[str, str]) -> str:
    """Run a script in which OURS stands for what `catactl completion` prints."""
    script = script.replace("OURS", Cli()("completion", shell).stdout)
    done = subprocess.run(
        [shell, "-c", script], env=environment, capture_output=True, encoding="utf-8", timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_reads_what_it_inserts_as_the_name(environment: dict[str, str]) -> None:
    script = f"""{_ASK}
ask 'catactl org show -- ' ''
ask 'catactl org show "' ''  '"'
"""
    answers = _run("bash", script, environment).split("\n\n")
    plain, in_quotes = (answer.split("\n") for answer in answers[:2])
    assert sorted(plain) == sorted(_NAMES)
    assert sorted(in_quotes) == sorted(set(_NAMES) - {"-dash", "bang!x"})


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes_names(environment: dict[str, str]) -> None:
    script = "OURS\ncomplete -C 'catactl org show \"my'"
    assert _run("fish", script, environment) == "my org\n"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_understands_its_script(environment: dict[str, str]) -> None:
    script = "autoload -U compinit; compinit -D -u\nOURS\nprint $_comps[catactl]"
    assert _run("zsh", script, environment) == "_catactl\n"
