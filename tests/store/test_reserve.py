"""A reserve lets commands delete when the disk of a SQLite database is full."""

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection

from catactl.errors import Unreachable
from catactl.handling.handler import Handler
from catactl.handling.unit_of_work import UnitOfWork
from catactl.store.reserve import SIZE_BYTES, Reserve
from catactl.store.sql.engine import make_room, open_engine
from tests.support import INTENT, create_organization

Fill = Callable[[int], None]


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Fill:
    """Make the disk accept at most the given number of bytes at once."""
    allocate = os.posix_fallocate

    def filled(free_bytes: int) -> None:
        def allocated(file: int, offset: int, size_bytes: int) -> None:
            if size_bytes > free_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            allocate(file, offset, size_bytes)

        monkeypatch.setattr(os, "posix_fallocate", allocated)

    return filled


def _path(tmp_path: Path) -> Path:
    return tmp_path / "catactl.db-reserve"


def test_a_reserve_is_allocated_beside_the_real_database(tmp_path: Path) -> None:
    (tmp_path / "catactl.db").touch()
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to("../catactl.db")
    for _ in range(2):
        Reserve(str(link)).make()
        status = _path(tmp_path).stat()
        assert status.st_size == SIZE_BYTES
        assert status.st_blocks * 512 >= SIZE_BYTES
        assert stat.S_IMODE(status.st_mode) == 0o600


def test_a_reserve_uses_at_most_half_of_the_free_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a small disk would hold only the reserve."""
    real = os.statvfs(tmp_path)
    reserve = Reserve(str(tmp_path / "catactl.db"))
    for blocks, size_bytes in ((100, 0), (200, 100), (150, 100), (400, 200), (100_000, 1024)):
        free = os.statvfs_result((1024, 1024, *real[2:4], blocks, *real[5:]))
        monkeypatch.setattr(os, "statvfs", lambda _path, free=free: free)
        reserve.make()
        actual = _path(tmp_path).stat().st_size if _path(tmp_path).exists() else 0
        assert actual == size_bytes * 1024


def test_a_reserve_is_made_again_as_large_as_the_free_space_allows(
    tmp_path: Path, fill: Fill
) -> None:
    reserve = Reserve(str(tmp_path / "catactl.db"))
    reserve.make()
    fill(300_000)
    assert reserve.release()
    reserve.make_again()
    assert _path(tmp_path).stat().st_size == 262_144
    assert reserve.release()
    fill(10 * SIZE_BYTES)
    reserve.make_again()
    assert _path(tmp_path).stat().st_size == SIZE_BYTES


def test_a_reserve_that_cannot_be_made_is_not_an_error(tmp_path: Path) -> None:
    Reserve(str(tmp_path / "nowhere" / "catactl.db")).make()
    assert list(tmp_path.iterdir()) == []


def test_a_reserve_is_released_only_when_the_disk_is_full(tmp_path: Path, fill: Fill) -> None:
    reserve = Reserve(str(tmp_path / "catactl.db"))
    reserve.make()
    assert not reserve.release()
    assert _path(tmp_path).exists()
    fill(SIZE_BYTES - 1)
    assert reserve.release()
    assert reserve.released_bytes == SIZE_BYTES
    assert not _path(tmp_path).exists()
    assert not reserve.release()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_for_another_reason_is_not_full(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> Any:
        raise OSError(number, os.strerror(number))

    reserve = Reserve(str(tmp_path / "catactl.db"))
    reserve.make()
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    assert not reserve.release()


def test_a_transaction_that_fills_the_disk_is_run_once_more_with_the_reserve(
    sqlite_url: URL, tmp_path: Path, fill: Fill
) -> None:
    reserve = Reserve(str(tmp_path / "catactl.db"))
    reserve.make()
    engine = open_engine(sqlite_url, reserve=reserve)
    handler = Handler(engine)
    org_id = create_organization(handler)
    fill(0)
    attempts = 0

    def work(_conn: Connection, _unit: UnitOfWork) -> dict[str, Any]:
        nonlocal attempts
        attempts += 1
        raise Unreachable("the disk is full")

    with pytest.raises(Unreachable):
        handler.transact(org_id, INTENT, work)
    assert attempts == 2
    assert not make_room(engine)
    engine.dispose()


def test_a_command_that_may_not_use_the_reserve_leaves_it(
    sqlite_url: URL, tmp_path: Path, fill: Fill
) -> None:
    Reserve(str(tmp_path / "catactl.db")).make()
    engine = open_engine(sqlite_url)
    fill(0)
    assert not make_room(engine)
    assert _path(tmp_path).exists()
    engine.dispose()
