"""Files can be deleted and swept when the disk of a SQLite database is full."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import full_disk
from tests.support import ROOT


def test_on_a_full_disk_files_can_be_deleted_and_swept(home: Path, tmp_path: Path) -> None:
    """Use a real small disk. Root can mount one, and anybody in a user namespace."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size={full_disk.SIZE_BYTES} tmpfs {disk}"
    program = f"exec {sys.executable} -m tests.cli.full_disk {disk}"
    for unshare in (["unshare", "-m"], ["unshare", "-Urm"]):
        if _run(*unshare, "sh", "-c", mount).returncode == 0:
            done = _run(*unshare, "sh", "-c", f"{mount} && {program}")
            assert done.returncode == 0, done.stderr
            return
    pytest.skip("no disk can be mounted here")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=120
        )
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))
