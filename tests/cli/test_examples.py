"""The examples in the help: each does what it says, where there is what it speaks of."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from catactl.cli.framework import command_tree
from catactl.cli.framework.help_format import contexts
from catactl.store.sql.urls import parse_url
from tests.cli.support import Cli, leaves_of, run_in_process
from tests.support import BYTES_1, be_ahead, opened

# What an example needs is there, but for these, which speak of what must not be there yet.
_STAGES = {"org create": "nothing", "demo": "nothing"} | dict.fromkeys(
    ("org delete", "user add", "job create", "file create", "file upload", "apply"), "empty"
)
_STAGES["event correct-clock"] = "ahead"
# Where an example names what only its reader has.
_OURS = {
    "$DIGEST": BYTES_1,
    "--as-of 2026-01-01": "--as-of now",
    "postgresql://admin@db.example.com/catacloud": "sqlite:///here.db",
}
_REST_OF_A_LINE = re.compile(r" (?:\||&&|\|\||>) .*")


def _examples() -> Iterator[tuple[str, str]]:
    for first in [*command_tree.NOUNS, *command_tree.VERBS]:
        for path in leaves_of(first):
            *_, ctx = contexts(command_tree.root(), *path)
            assert ctx.command.help is not None
            yield " ".join(path), ctx.command.help.partition("Example: catactl ")[2].strip()


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with what examples read: without a database, with an organization, with all."""
    folder = tmp_path_factory.mktemp("stages")
    nothing, empty, full = (folder / name for name in ("nothing", "empty", "full"))
    (nothing / "reports").mkdir(parents=True)
    for year in (2025, 2026):
        (nothing / "reports" / f"{year}.csv").write_text(f"year,{year}\n")
    (nothing / "chunk-1").write_bytes(b"content")
    line = {"command": "file.create", "org": "acme", "name": "data.bin"}
    (nothing / "commands.jsonl").write_text(json.dumps(line))
    shutil.copytree(nothing, empty)
    run_in_process("org", "create", "acme", *_database_in(empty))
    shutil.copytree(empty, full)
    for command in (
        "user add acme ada@example.com",
        "job create acme nightly --image python:3.12",
        f"file upload acme {full / 'reports'} --name reports",
        "file create acme data.bin",
    ):
        assert run_in_process(*command.split(), *_database_in(full)).code == 0
    ahead = shutil.copytree(empty, folder / "ahead")
    with opened(parse_url(f"sqlite:///{ahead}/catactl.db")) as engine:
        be_ahead(engine)
    return {"nothing": nothing, "empty": empty, "full": full, "ahead": ahead}


def _database_in(folder: Path) -> tuple[str, str]:
    return "--database-url", f"sqlite:///{folder}/catactl.db"


@pytest.mark.parametrize(("command", "example"), list(_examples()), ids=lambda text: str(text))
def test_the_example_of_a_command_does_what_it_says(
    command: str,
    example: str,
    stages: dict[str, Path],
    tmp_path: Path,
    stranger: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = tmp_path / "here"
    shutil.copytree(stages[_STAGES.get(command, "full")], here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("CATACTL_DATABASE_URL", f"sqlite:///{here}/catactl.db")
    if command == "file restore":
        stranger.ok("file", "delete", "acme", "reports/2025.csv")
    if command == "db grants":  # which connects to nothing
        monkeypatch.setenv("CATACTL_DATABASE_URL", "postgresql://db.example.com/catacloud")
    text = _REST_OF_A_LINE.sub("", example)
    for theirs, ours in _OURS.items():
        text = text.replace(theirs, ours)
    for folder in ("/tmp", "/var/lib/node_exporter"):
        text = text.replace(f" {folder}/", f" {here}/")
    result = stranger(*shlex.split(text))
    assert (result.code, "error" in result.stderr) == (0, False), result
