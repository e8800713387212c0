"""The scripts of `catactl completion`, run by the shells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import Cli
from tests.support import ROOT

# The first looks like an option. The others contain characters that are special in shells.
_NAMES = ["-dash", "my org", "it's", 'say "hi"', "a$b`c`", "a*?[b]", "~x#;&|<>()", "bang!x", "ü ö"]


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
    """Return an environment with `catactl`, on a database with organizations of all those names."""
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
        [shell, "-c", script], env=environment, capture_output=True, encoding="utf-8", timeout=300
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
