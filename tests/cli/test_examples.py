"""The examples in the help of commands run, on databases that have the objects they name."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from catactl.cli.commands import demo
from catactl.cli.framework import command_tree
from catactl.cli.framework.help_format import contexts
from tests.cli.stages import make_stages
from tests.cli.support import Cli, leaves_of
from tests.support import BYTES_1

# The stage has all objects that examples need. These examples need a stage without them.
_STAGES = {"org create": "nothing", "demo": "nothing"} | dict.fromkeys(
    ("org delete", "user add", "job create", "file create", "file upload", "apply"), "empty"
)
_STAGES["event correct-clock"] = "ahead"
# Replacements for names that only the reader has.
_OURS = {
    "$DIGEST": BYTES_1,
    "--as-of 2026-01-01": "--as-of now",
    "postgresql://admin@db.example.com/catacloud": "sqlite:///here.db",
}
_REST_OF_A_LINE = re.compile(r" (?:\||&&|\|\||>) .*")


def _examples() -> Iterator[tuple[str, str]]:
    for first in [*command_tree.NOUNS, *command_tree.COMMANDS]:
        for path in leaves_of(first):
            *_, ctx = contexts(command_tree.root(), *path)
            assert ctx.command.help is not None
            yield " ".join(path), ctx.command.help.partition("Example: catactl ")[2].strip()


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_stages(tmp_path_factory.mktemp("stages"))


@pytest.mark.parametrize(("command", "example"), list(_examples()), ids=lambda text: str(text))
def test_the_example_in_the_help_of_a_command_works(
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
    monkeypatch.setattr(demo, "_PROCESSES", 2)  # because each imports everything
    text = _REST_OF_A_LINE.sub("", example)
    for theirs, ours in _OURS.items():
        text = text.replace(theirs, ours)
    for folder in ("/tmp", "/var/lib/node_exporter"):
        text = text.replace(f" {folder}/", f" {here}/")
    result = stranger(*shlex.split(text))
    has_run = (result.code, "error" in result.stderr) == (0, False)
    assert has_run, f"`make_stages` makes what examples name; {result}"
