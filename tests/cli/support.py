"""Run the program, in this process because that is faster, or in a process of its own."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import URL, Engine

from catactl.cli import main as program
from catactl.cli.framework import command_tree
from catactl.store.sql import engine as engines
from tests.support import BYTES_1, ROOT

NOBODY_LISTENS = "postgresql://admin:s3cr3t@127.0.0.1:1/catacloud"

SetInput = Callable[[bytes], None]


@dataclass(frozen=True)
class Result:
    """Exit code and output of a run."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    @property
    def error(self) -> dict[str, Any]:
        """Return the error object, and check that stderr has nothing else."""
        document = json.loads(self.stderr)
        assert set(document) == {"error"}
        error: dict[str, Any] = document["error"]
        assert set(error) == {"code", "exit", "message", "hint", "retryable"}
        assert error["exit"] == self.code
        return error


class _Input(io.TextIOWrapper):
    """Standard input that is not a terminal."""

    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8")


def _output() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


def run_in_process(*arguments: str, stdin: str = "") -> Result:
    """Run `main` in this process. Restore streams and signals, and close the engines it opened."""
    stdout, stderr = _output(), _output()
    opened: list[Engine] = []
    open_engine = engines.open_engine

    def open_and_keep(url: URL, **options: Any) -> Engine:
        opened.append(open_engine(url, **options))
        return opened[-1]

    before = signal.getsignal(signal.SIGTERM)
    try:
        with (
            mock.patch.object(engines, "open_engine", open_and_keep),
            mock.patch.object(sys, "stdout", stdout),
            mock.patch.object(sys, "stderr", stderr),
            mock.patch.object(sys, "stdin", _Input(stdin)),
        ):
            try:
                program.main(list(arguments))
            except SystemExit as end:
                code = end.code
    finally:
        signal.signal(signal.SIGTERM, before)
        for engine in opened:
            engine.dispose()
    assert isinstance(code, int)
    return Result(code, _written(stdout), _written(stderr))


def run_in_child(
    environment: dict[str, str], barrier: Barrier | None, arguments: list[str], pipe: Pipe
) -> None:
    """Run `main` as the target of `tests.processes.start`, and send the result."""
    os.environ.clear()
    os.environ.update(environment)
    if barrier is not None:
        barrier.wait()
    pipe.send(run_in_process(*arguments))
    pipe.close()


def run_process(*arguments: str, stdin: str = "") -> Result:
    """Run `python -m catactl` with the present environment."""
    done = subprocess.run(
        [sys.executable, "-m", "catactl", *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def run_shell(script: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Run a script of Bash in which `"$@"` is the program with the arguments."""
    program = [sys.executable, "-c", "from catactl.cli.main import main; main()"]
    command = ["bash", "-c", script, "bash", *program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, timeout=300)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def contents_in(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder by its name, except marks of logs."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "head")
    return {path.name: path.read_bytes() for path in paths}


class Cli:
    """Runs commands. The environment names the database."""

    def __call__(self, *arguments: object, stdin: str = "") -> Result:
        return run_in_process(*map(str, arguments), stdin=stdin)

    def ok(self, *arguments: object, stdin: str = "") -> Any:
        """Run with --json, check that it succeeds, and return what it printed."""
        result = self(*arguments, "--json", stdin=stdin)
        assert result.code == 0, result
        return result.json

    def fails(self, code: int, *arguments: object, stdin: str = "") -> dict[str, Any]:
        """Run with --json, check that it fails with that code and prints only an error, and return
        the error.
        """
        result = self(*arguments, "--json", stdin=stdin)
        assert result.code == code, result
        assert result.stdout == ""
        error = result.error
        assert error["message"][:1].islower() or not error["message"][:1].isalpha()
        assert not error["message"].endswith(".")
        return error

    def events(self, org: str = "acme") -> list[str]:
        return [event["type"] for event in self.ok("event", "list", org)]

    # --- setting up -------------------------------------------------------------------------------

    def has_file(self, org: str = "acme", name: str = "data.bin", *sizes: int) -> None:
        """Create a file with parts of these sizes, and its organization if it does not exist."""
        self.ok("org", "create", org, "--if-not-exists")
        self.ok("file", "create", org, name)
        for number, size_bytes in enumerate(sizes, start=1):
            self.record(number, size_bytes, org, name)

    def record(
        self, number: object, size: object, org: str = "acme", name: str = "data.bin"
    ) -> Any:
        return self.ok(*record(number, size, org, name))


def record(
    number: object, size: object, org: str = "acme", name: str = "data.bin", sha256: str = BYTES_1
) -> list[str]:
    """Return the arguments that record a part."""
    return ["part", "record", org, name, str(number), f"--size={size}", f"--sha256={sha256}"]


def leaves_of(first: str) -> list[tuple[str, ...]]:
    """Return the paths of the commands that begin with this noun or are this verb."""
    if first in command_tree.COMMANDS:
        return [(first,)]
    root: Any = command_tree.root()
    group = root.get_command(None, first)
    return [(first, verb) for verb in group.list_commands(None)]
