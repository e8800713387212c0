"""Signals while the program loads, waits, or runs code that ignores exceptions."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import ROOT

_SIGNALS = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
_IN_A_CALLBACK = """
import os, sys, weakref
from catactl.cli import main as program

class Thing: pass

class Root:
    def main(self, **options):
        thing = Thing()
        reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), int(sys.argv[1])))
        del thing
        print("it went on", flush=True)

program.root = Root
program.main()
"""


def _run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | variables,
        timeout=300,
        check=False,
    )


@_SIGNALS
def test_a_signal_while_the_program_loads_ends_it_without_a_trace(
    number: int, code: int, tmp_path: Path
) -> None:
    (tmp_path / "typer.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\n")
    done = _run("-m", "catactl", "org", "list", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@_SIGNALS
def test_a_signal_ends_a_command_that_waits_for_a_locked_database(
    number: int, code: int, tmp_path: Path
) -> None:
    path = tmp_path / "catactl.db"
    database = {"CATACTL_DATABASE_URL": f"sqlite:///{path}"}
    assert _run("-m", "catactl", "org", "create", "acme", **database).returncode == 0
    command = [sys.executable, "-m", "catactl", "org", "suspend", "acme", "-v"]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | database
        ) as waiting:
            assert waiting.stderr is not None
            line = next(line for line in waiting.stderr if "database sqlite" in line)
            time.sleep(0.1)
            waiting.send_signal(number)
            rest = waiting.communicate(timeout=10)[1]
    assert waiting.returncode == code, line + rest


@_SIGNALS
def test_a_signal_that_python_cannot_raise_still_ends_the_command(number: int, code: int) -> None:
    done = _run("-c", _IN_A_CALLBACK, str(int(number)))
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("catactl: ")
    assert done.stderr.count("\n") == 1
