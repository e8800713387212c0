"""Run commands on a full disk, as a program, on a disk of 8 MiB that the caller mounts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SIZE_BYTES = 8 * 1024 * 1024
_NAMES = [str(number) for number in range(20)]


def _run(code: int, *arguments: str) -> Any:
    """Run a command in its own process; check its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "catactl", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, (arguments, done)
    return json.loads(done.stdout or "null")


def _fill(disk: Path) -> None:
    """Use up the disk to the last byte."""
    try:
        with (disk / "filler").open("ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
    except OSError:
        pass
    assert os.statvfs(disk).f_bavail == 0


def delete_and_sweep(disk: Path) -> None:
    """Check that uploads fail on a full disk, and that files can be deleted and swept."""
    folder, reserve = disk.parent / "source", disk / "catactl.db-reserve"
    folder.mkdir()
    for name in _NAMES:
        (folder / name).write_bytes(os.urandom(100_000))
    os.environ["CATACTL_DATABASE_URL"] = f"sqlite:///{disk}/catactl.db"
    _run(0, "org", "create", "acme")
    _run(0, "file", "upload", "acme", str(folder))
    _fill(disk)
    _run(69, "file", "upload", "acme", str(folder), "--name", "again")
    _run(69, "file", "create", "acme", "new")
    assert reserve.stat().st_size > 900_000, "it was used"
    assert len(_run(0, "file", "list", "acme")) == 20
    assert len(_run(0, "file", "delete", "acme", *_NAMES)) == 20
    assert reserve.stat().st_size > 500_000, "it was not made again"
    _fill(disk)
    assert _run(0, "blob", "gc", "--older-than", "0", "--yes")["removed_blobs"] == 20
    assert reserve.stat().st_size > 500_000, "it was not made again"
    _run(0, "file", "upload", "acme", str(folder / _NAMES[0]))
    _run(0, "event", "verify")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    assert os.statvfs(place).f_blocks * os.statvfs(place).f_frsize == SIZE_BYTES, "not the disk"
    delete_and_sweep(place)
