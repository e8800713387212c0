"""Progress of an upload on stderr."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from catactl.cli.output import progress
from tests.cli.support import Cli, Result


def test_off_a_terminal_progress_is_a_plain_line_now_and_then(
    sqlite_acme: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = sqlite_acme("file", "upload", "acme", folder, "--dry-run")
    assert "uploading: " not in quick.stderr
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    shown = sqlite_acme("file", "upload", "acme", folder, "--dry-run")
    last = [line for line in shown.stderr.splitlines() if "uploading: " in line][-1]
    assert last.startswith("catactl: uploading: 5 B of 5 B, ")
    assert "file 5 of 5: z" in last
    assert sqlite_acme("file", "upload", "acme", folder, "-q") == Result(0, "", "")


def test_a_bar_on_the_terminal_does_not_change_the_result(sqlite_acme: Cli, path: Path) -> None:
    """Rich would redirect the output to its own console while it shows a bar."""
    terminal, theirs = os.openpty()
    program = "from catactl.cli.output import progress; progress._SECONDS_BEFORE_BAR = -1.0; "
    program += "from catactl.cli.main import main; main()"
    arguments = ["file", "upload", "acme", str(path), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
    )
    os.close(theirs)
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        assert b"data.bin" in shown.read(4096)
    assert json.loads(done.stdout)["outcome"] == "uploaded"
