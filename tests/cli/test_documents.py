"""README.md and the topics of `catactl help`: their examples run, and their links, commands and
options exist. CONTRIBUTING.md describes the present code.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from catactl import handling
from catactl.cli.framework import command_tree
from catactl.cli.framework.help_format import contexts
from catactl.help.topics import topic_names, topic_summary
from tests.cli.stages import make_stages
from tests.cli.support import Cli, leaves_of
from tests.support import BYTES_1, ROOT

_DOCUMENTS = {
    "README": ROOT / "README.md",
    **{name: ROOT / "catactl" / "help" / f"{name}.md" for name in topic_names()},
}
_STAGES = {"README": "nothing", "clocks": "ahead"}
_MAX_README_LINES = 160
_LEAVES = {
    path for first in (*command_tree.NOUNS, *command_tree.COMMANDS) for path in leaves_of(first)
}
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```\w+\n.*?^```$|`[^`]+`", re.MULTILINE | re.DOTALL)
# Parts of examples that only the reader's machine has.
_OURS = {
    ".venv/bin/pip install": "true",
    "export CATACTL_DATABASE_URL=… CATACTL_BLOB_URL=…": "true",
    "sqlite:////var/lib/catactl.db": "sqlite:///here.db",
    "postgresql://catactl@db.example.com/catacloud": "sqlite:///here.db",
    "/var/lib/node_exporter/": "",
    "/opt/catactl/bin/": "",
    "--as-of 2026-01-01": "--as-of now",
    "--as-of -7d": "--as-of now",
    "--from 2026-01-01 --to 2026-02-01": "--from -1d",
    "source <(catactl completion zsh)": "catactl completion zsh",
}
_PROGRAMS = ("bash", "jq", "tar")
_STUBS = ("psql", "curl", "systemctl", "journalctl", "sleep")

every_document = pytest.mark.parametrize("name", _DOCUMENTS)


def _text(name: str) -> str:
    return _DOCUMENTS[name].read_text(encoding="utf-8")


def _blocks(name: str, *languages: str) -> list[str]:
    """Return the blocks of code in these languages, without parts for the reader's own machine."""
    blocks = [code for language, code in _BLOCK.findall(_text(name)) if language in languages]
    for theirs, ours in _OURS.items():
        blocks = [block.replace(theirs, ours) for block in blocks]
    return [block for block in blocks if not block.startswith("python3 -m venv")]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_stages(tmp_path_factory.mktemp("stages"))


@pytest.fixture
def shell(
    stages: dict[str, Path], tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return a folder of programs for examples. Programs for servers only read their input."""
    if missing := [program for program in _PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    programs = tmp_path / "bin"
    programs.mkdir()
    script = {"catactl": f'exec {shlex.quote(sys.executable)} -m catactl "$@"'}
    for name, body in (script | dict.fromkeys(_STUBS, "[ -t 0 ] || cat > /dev/null")).items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (home / ".config" / "fish" / "completions").mkdir(parents=True)
    for variable, value in {
        "CI_JOB_ID": "4711",
        "digest": BYTES_1,
        "OWNER_URL": "sqlite:///here.db",
    }.items():
        monkeypatch.setenv(variable, value)
    return programs


def _enter(stage: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(stage, here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("CATACTL_DATABASE_URL", f"sqlite:///{here}/catactl.db")


def _run_shell(script: str) -> str:
    done = subprocess.run(
        ["bash", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@every_document
def test_the_examples_of_a_document_run(
    name: str,
    shell: Path,
    stages: dict[str, Path],
    tmp_path: Path,
    stranger: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _enter(stages[_STAGES.get(name, "full")], tmp_path / "here", monkeypatch)
    for block in _blocks(name, "sh"):
        if re.search(r"[|&;<>$(]|^(?!catactl |$)", block, re.MULTILINE):
            if "db grants" in block:
                monkeypatch.setenv("CATACTL_DATABASE_URL", "postgresql://db.example.com/catacloud")
            _run_shell(f"set -euo pipefail\n{block}")
            continue
        for line in block.splitlines():  # in this process, which is faster
            result = stranger(*shlex.split(line, comments=True)[1:])
            assert (result.code, "error" in result.stderr) == (0, False), result


def test_the_transcript_of_the_readme_is_what_the_commands_print(
    shell: Path, stages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _enter(stages["nothing"], tmp_path / "here", monkeypatch)
    monkeypatch.setenv("CATACTL_OUTPUT", "table")
    monkeypatch.setenv("CATACTL_ACTOR", "ada")
    (transcript,) = _blocks("README", "console")
    script = "".join(
        f"echo {shlex.quote(line)}; (exit $code); {line[2:]}\ncode=$?\n"
        for line in transcript.splitlines()
        if line.startswith("$ ")
    )
    printed = _run_shell(f"code=0\n{script}exit 0\n")
    assert _without_chance(printed) == _without_chance(transcript)


def _without_chance(text: str) -> str:
    """Return a transcript without ids, times, and spaces at the ends of lines."""
    for pattern, replacement in (
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,23}", "ID"),
        (r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?Z", "TIME"),
        (r"\s+$", ""),
    ):
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text.strip()


def test_the_scheduled_commands_run(
    shell: Path,
    stages: dict[str, Path],
    tmp_path: Path,
    stranger: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _enter(stages["full"], tmp_path / "here", monkeypatch)
    text = "\n".join(_blocks("cron", "crontab", "ini"))
    lines = re.findall(r"^(?:ExecStart=|(?:[\d*/]+ +){5})catactl (.*)$", text, re.MULTILINE)
    assert len(lines) == 8
    for line in lines:
        result = stranger(*shlex.split(line))
        assert (result.code, result.stdout, result.stderr) == (0, "", ""), line


def test_the_configuration_file_is_valid(home: Path, stranger: Cli) -> None:
    (text,) = _blocks("configuration", "toml")
    url_file = home / "production.url"
    url_file.write_text("postgresql://catactl@db.example.com/catacloud")
    url_file.chmod(0o600)
    (home / "config" / "catactl").mkdir(parents=True)
    (home / "config" / "catactl" / "config.toml").write_text(
        text.replace("/etc/catactl/production.url", str(url_file))
    )
    assert stranger("config", "validate").code == 0


def test_the_lines_of_apply_run(stranger: Cli, tmp_path: Path) -> None:
    (lines,) = _blocks("bulk", "json")
    file = tmp_path / "lines.jsonl"
    file.write_text(lines.replace("6b86…", BYTES_1))
    assert stranger("apply", "--from", file).code == 0


# --- what the texts name --------------------------------------------------------------------------


@every_document
def test_every_link_resolves(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", _text(name))
    missing = [
        link
        for link in links
        if not link.startswith("https://") and not (_DOCUMENTS[name].parent / link).exists()
    ]
    assert missing == []


@every_document
def test_every_command_and_option_that_is_named_exists(name: str) -> None:
    options = {
        option
        for path in _LEAVES
        for param in [*contexts(command_tree.root(), *path)][-1].command.params
        for option in (*param.opts, "--help")
    }
    for code in _CODE.findall(_text(name)):
        if code.startswith("```"):
            code = re.sub("#.*", "", code)
        for first, second in re.findall(r"\bcatactl ([a-z][a-z-]*)(?:\s+([a-z][a-z-]*))?", code):
            if first == "help":
                assert not second or second in topic_names(), f"{code} names no topic"
            else:
                assert (first,) in _LEAVES or not second or (first, second) in _LEAVES, code
                assert first in command_tree.NOUNS or first in command_tree.COMMANDS, code
        if not code.startswith("```"):
            assert {*re.findall(r"(?<!\S)--[a-z-]+", code.strip("`"))} <= options, code


def test_every_topic_that_the_program_names_exists() -> None:
    known = {*topic_names(), *command_tree.NOUNS, *command_tree.COMMANDS}
    for path in (ROOT / "catactl").rglob("*.py"):
        named = re.findall(r"catactl help ([a-z][a-z-]*)", path.read_text(encoding="utf-8"))
        assert {*named} <= known, path


def test_every_command_is_named_in_a_document() -> None:
    text = "\n".join(map(_text, _DOCUMENTS))
    assert [path for path in _LEAVES if f"catactl {' '.join(path)}" not in text] == []


def test_the_readme_is_short_and_lists_every_topic() -> None:
    text = _text("README")
    assert len(text.splitlines()) <= _MAX_README_LINES
    rows = re.findall(r"^\| \[([^]]+)\]\(catactl/help/\1\.md\) \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(name, topic_summary(name)) for name in topic_names()]


# --- CONTRIBUTING ---------------------------------------------------------------------------------

_CONTRIBUTING = (ROOT / ".ci" / "CONTRIBUTING.md").read_text(encoding="utf-8")
_PLACEHOLDER = re.compile(r"NOUN|VERB|NAME|AGGREGATE|NNNN")


def test_every_file_that_contributing_names_exists() -> None:
    text = _CONTRIBUTING + (handling.__doc__ or "")
    named = set(re.findall(r"(?<![\w./])[\w/]+\.(?:py|toml|md)\b", text))
    files = [path.as_posix() for top in ("catactl", "tests") for path in (ROOT / top).rglob("*.*")]
    files += [path.as_posix() for path in ROOT.glob("*.*")]
    missing = {
        name
        for name in named
        if not _PLACEHOLDER.search(name) and not any(path.endswith(f"/{name}") for path in files)
    }
    assert not missing


def test_every_identifier_that_contributing_names_exists() -> None:
    named = set(re.findall(r"`(\w*_\w*|[A-Z]\w+)`", _CONTRIBUTING))
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for top in ("catactl", "tests")
        for path in (ROOT / top).rglob("*.py")
    )
    assert named - set(re.findall(r"\w+", code)) == set()


def test_contributing_draws_the_floors_that_import_linter_checks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]
    floors = [set(re.findall(r"catactl\.(\w+)", layer)) for layer in contract["layers"]]
    drawing = _CONTRIBUTING.partition("## Rooms")[2].split("```")[1].strip()
    room = r"(?:^| {2,})(?:(\w+)/|(errors)\.py) "
    drawn = [
        {name for names in re.findall(room, line) for name in names if name}
        for line in drawing.splitlines()
    ]
    assert drawn == floors


def test_contributing_is_short_and_has_twenty_terms() -> None:
    assert len(_CONTRIBUTING.splitlines()) <= 165
    glossary = _CONTRIBUTING.partition("## Glossary")[2]
    assert len(re.findall(r"^\| (?!term )", glossary, re.MULTILINE)) == 20
