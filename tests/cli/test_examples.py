"""The examples in the help: each does what it says, where there is what it speaks of."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from catactl.cli import commands
from catactl.cli.command import contexts
from tests.cli.support import Cli, leaves_of
from tests.support import BYTES_1

# What an example needs is there, but for these, which speak of what must not be there yet.
_BEFORE_ANYTHING = {"org create", "demo"}
_IN_AN_EMPTY_ORGANIZATION = {
    "org delete",
    "user add",
    "job create",
    "file create",
    "file upload",
    "apply",
}
# Where an example names what only its reader has.
_OURS = {
    "$DIGEST": BYTES_1,
    "--as-of 2026-01-01": "--as-of now",
    "postgresql://admin@db.example.com/catacloud": "sqlite:///here.db",
}
_REST_OF_A_LINE = re.compile(r" (?:\||&&|\|\||>) .*")


def _examples() -> Iterator[tuple[str, str]]:
    for first in [*commands.NOUNS, *commands.VERBS]:
        for path in leaves_of(first):
            *_, ctx = contexts(commands.root(), *path)
            assert ctx.command.help is not None
            yield " ".join(path), ctx.command.help.partition("Example: catactl ")[2].strip()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what examples read, without a database."""
    folder = tmp_path_factory.mktemp("stage")
    (folder / "reports").mkdir()
    for year in (2025, 2026):
        (folder / "reports" / f"{year}.csv").write_text(f"year,{year}\n")
    (folder / "chunk-1").write_bytes(b"content")
    line = {"command": "file.create", "org": "acme", "name": "data.bin"}
    (folder / "commands.jsonl").write_text(json.dumps(line))
    return folder


@pytest.fixture
def here(stage: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    shutil.copytree(stage, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(("command", "example"), list(_examples()), ids=lambda text: str(text))
def test_the_example_of_a_command_does_what_it_says(
    command: str, example: str, here: Path, stranger: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command not in _BEFORE_ANYTHING:
        stranger.ok("org", "create", "acme")
    if command not in _BEFORE_ANYTHING | _IN_AN_EMPTY_ORGANIZATION:
        stranger.ok("user", "add", "acme", "ada@example.com")
        stranger.ok("job", "create", "acme", "nightly", "--image", "python:3.12")
        stranger.ok("file", "upload", "acme", "reports", "--name", "reports")
        stranger.ok("file", "create", "acme", "data.bin")
    if command == "file restore":
        stranger.ok("file", "delete", "acme", "reports/2025.csv")
    text = _REST_OF_A_LINE.sub("", example)
    if command == "db grants":  # which connects to nothing
        monkeypatch.setenv("CATACTL_DATABASE_URL", "postgresql://db.example.com/catacloud")
    for theirs, ours in _OURS.items():
        text = text.replace(theirs, ours)
    for folder in ("/tmp", "/var/lib/node_exporter"):
        text = text.replace(f" {folder}/", f" {here}/")
    result = stranger(*shlex.split(text))
    assert (result.code, "error" in result.stderr) == (0, False), result
