"""A directory stores complete content, in folders that a group can share."""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import CHUNK_BYTES, Chunk
from catactl.errors import (
    ContentUnreachable,
)
from tests.blobs.support import (
    MARK,
    ORG,
    Folder,
    content_of,
    cut,
    failing,
    incoming,
    key,
    pattern,
    set_age,
)
from tests.blobs.workers import (
    GROUP,
    as_user,
    put_at_once,
    store_and_leave,
    take_over,
)
from tests.processes import processes, receive, start

# --- complete or absent ---------------------------------------------------------------------------


def test_content_is_synced_before_the_rename_and_the_folder_after_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power failure leaves a name without content, or content without a name."""
    folder.blobs.put(ORG, [b"so that the organization's folders are there"])
    happened: list[tuple[str, str]] = []

    def recording(name: str, path_of: Callable[..., str]) -> None:
        call = getattr(os, name)

        def recorded(*arguments: Any, **options: Any) -> Any:
            happened.append((name, os.path.relpath(path_of(*arguments), folder.root)))
            return call(*arguments, **options)

        monkeypatch.setattr(os, name, recorded)

    recording("write", lambda file, _: os.readlink(f"/proc/self/fd/{file}"))
    recording("fsync", lambda file: os.readlink(f"/proc/self/fd/{file}"))
    recording("mkdir", lambda path, *_: path)
    recording("rename", lambda _, path: path)
    folder.blobs.put(ORG, [b"content"])
    written = happened[0][1]
    assert written.startswith(f"{ORG}/incoming/")
    shard = os.path.dirname(key(b"content"))
    assert happened == [
        ("write", written),
        ("fsync", written),
        ("mkdir", shard),
        ("fsync", str(ORG)),
        ("rename", key(b"content")),
        ("fsync", shard),
    ]
    happened.clear()
    folder.blobs.put(ORG, [b"content"])  # because its first writer may not have synced the folder
    assert happened[1:] == [("fsync", shard)]


def test_the_folder_above_a_new_folder_is_synced(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    fsync = os.fsync

    def recorded(file: int) -> None:
        synced.add(os.readlink(f"/proc/self/fd/{file}"))
        fsync(file)

    monkeypatch.setattr(os, "fsync", recorded)
    folder.blobs.put(ORG, [b"content"])
    for path in (folder.root.parent, folder.root, folder.root / str(ORG)):
        assert str(path) in synced


def test_undamaged_content_is_not_written_again(folder: Folder) -> None:
    folder.blobs.put(ORG, [b"content"])
    set_age(folder, key(b"content"), 1_000)
    before = (folder.root / key(b"content")).stat()
    folder.blobs.put(ORG, [b"content"])
    after = (folder.root / key(b"content")).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_unreadable_content_is_replaced(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder.blobs.put(ORG, [b"content"])
    before = (folder.root / key(b"content")).stat()
    with monkeypatch.context() as broken:
        broken.setattr(os, "readv", failing(number))
        folder.blobs.put(ORG, [b"content"])
    assert (folder.root / key(b"content")).stat().st_ino != before.st_ino
    assert folder.all_keys() == [key(b"content")]


def test_content_on_an_unreachable_disk_is_not_replaced(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.blobs.put(ORG, [b"content"])
    before = (folder.root / key(b"content")).stat()
    with monkeypatch.context() as broken:
        broken.setattr(os, "readv", failing(errno.ESTALE))
        with pytest.raises(ContentUnreachable):
            folder.blobs.put(ORG, [b"content"])
    assert (folder.root / key(b"content")).stat().st_ino == before.st_ino
    assert folder.all_keys() == [key(b"content")]


def test_content_is_read_in_chunks_of_limited_size(folder: Folder) -> None:
    sha256 = folder.blobs.put(ORG, cut(pattern(3 * CHUNK_BYTES + 1))).sha256
    sizes = [len(chunk) for chunk in folder.blobs.open(ORG, sha256)]
    assert sizes == [CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES, 1]


def test_processes_that_store_the_same_content_at_once_store_it_once(folder: Folder) -> None:
    raw = pattern(2_000_000)
    barrier = processes.Barrier(4)
    writers = [start(put_at_once, folder.root, raw, barrier) for _ in range(4)]
    assert [receive(writer) for writer in writers] == [content_of(raw)] * 4
    assert folder.all_keys() == [key(raw)]
    assert folder.read(key(raw)) == raw


# --- permissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
@pytest.mark.parametrize("is_private", [False, True])
def test_the_umask_decides_who_may_read_content(
    folder: Folder, umask: int, is_private: bool
) -> None:
    modes: dict[str, int] = {}

    def looked_at() -> Iterator[Chunk]:
        yield b"content"
        for path in [folder.root, *folder.root.rglob("*")]:
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)

    blobs = Directory(folder.root, is_private=is_private)
    before = os.umask(umask)
    try:
        blobs.put(ORG, looked_at())
        blobs.mark(ORG, MARK)
    finally:
        os.umask(before)
    assert modes.pop("blobs") == (0o700 if is_private else 0o777 & ~umask)
    assert {modes.pop(str(ORG)), modes.pop("incoming")} == {0o777 & ~umask}
    assert set(modes.values()) == {0o666 & ~umask}
    final = folder.root / key(b"content")
    assert stat.S_IMODE(final.parent.stat().st_mode) == 0o777 & ~umask
    for path in (final, folder.root / str(ORG) / "head"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_users_of_a_group_read_replace_and_remove_what_the_others_stored() -> None:
    with tempfile.TemporaryDirectory() as path:  # because other users cannot enter pytest's folders
        os.chown(path, 0, GROUP)
        os.chmod(path, 0o2770)
        root = Path(path)
        assert receive(start(as_user, 54_001, store_and_leave, root)) == "done"
        set_age(Folder(root), f"{ORG}/incoming/half", 1_000_000)
        assert receive(start(as_user, 54_002, take_over, root)) == "done"


def test_unfinished_files_of_another_user_do_not_stop_a_sweep(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("theirs", "ours"):
        folder.write(f"{ORG}/incoming/{name}", b"half")
        set_age(folder, f"{ORG}/incoming/{name}", 1_000_000)
    really_open = os.open

    def refused(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith("theirs"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refused)
    assert folder.blobs.discard_abandoned(ORG) == 1
    assert incoming(folder) == [f"{ORG}/incoming/theirs"]


def test_a_shared_directory_keeps_its_mode(folder: Folder) -> None:
    folder.root.mkdir()
    folder.root.chmod(0o750)
    folder.blobs.put(ORG, [b"content"])
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o750


def test_a_directory_may_be_a_symbolic_link(folder: Folder) -> None:
    target = folder.root.with_name("elsewhere")
    target.mkdir()
    folder.root.symlink_to(target)
    folder.blobs.put(ORG, [b"content"])
    assert hashlib.sha256((target / key(b"content")).read_bytes()).hexdigest() == (
        content_of(b"content").sha256
    )


def test_no_file_stays_open(folder: Folder) -> None:
    folder.blobs.put(ORG, [b"so that all is loaded"])
    before = sorted(os.listdir("/proc/self/fd"))
    content = folder.blobs.put(ORG, [b"content"])
    folder.blobs.put(ORG, [b"content"])
    with pytest.raises(ZeroDivisionError):
        folder.blobs.put(ORG, (bytes([1 // each]) for each in (1, 0)))
    next(folder.blobs.open(ORG, content.sha256))
    folder.write(f"{ORG}/incoming/old", b"half")
    set_age(folder, f"{ORG}/incoming/old", 1_000_000)
    folder.write(f"{ORG}/incoming/young", b"half")
    assert folder.blobs.discard_abandoned(ORG) == 1
    assert sorted(os.listdir("/proc/self/fd")) == before
