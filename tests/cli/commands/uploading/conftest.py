"""Files and folders to upload."""

from pathlib import Path

import pytest

from tests.cli.support import Cli


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file of seven bytes: three parts of at most three bytes."""
    path = tmp_path / "data.bin"
    path.write_bytes(b"aaabbbc")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "b" / "c").mkdir(parents=True)
    for name, content in {"z": b"zz", "a": b"a", "b/y": b"y", "b/c/x": b"", "b.txt": b"b"}.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def begun(acme: Cli, path: Path, tmp_path: Path) -> Cli:
    """Return a CLI with a file that has two of its three parts."""
    acme.ok("file", "create", "acme", "data.bin")
    for number, content in enumerate([b"aaa", b"bbb"], start=1):
        (tmp_path / "part").write_bytes(content)
        acme.ok("part", "upload", "acme", "data.bin", number, tmp_path / "part")
    return acme
