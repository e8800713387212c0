"""A directory has complete content or none: full disks, kills, races and permissions."""

import errno
import fcntl
import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catactl.blobs.directory import Directory
from catactl.blobs.store import CHUNK_BYTES, Chunk, Mark
from catactl.errors import (
    BadConfiguration,
    CatactlError,
    ContentDamaged,
    ContentUnreachable,
    Forbidden,
)
from tests.blobs import full_disk
from tests.blobs.support import (
    MARK,
    MARK_TEXT,
    ORG,
    OTHER_ORG,
    Folder,
    content_of,
    cut,
    incoming,
    key,
    pattern,
    read,
    wrong_names,
)
from tests.blobs.workers import (
    GROUP,
    as_user,
    kill_before_each_step,
    kill_writers,
    put_at_once,
    store_and_leave,
    take_over,
)
from tests.processes import processes, receive, start
from tests.support import ROOT

_ABANDONED_AFTER_SECONDS = 60


def _age(folder: Folder, key: str, seconds: float) -> None:
    """Set the time of the last write of a file."""
    instant = time.time() - seconds
    os.utime(folder.root / key, (instant, instant))


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
    _age(folder, key(b"content"), 1_000)
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
        broken.setattr(os, "readv", _failing(number))
        folder.blobs.put(ORG, [b"content"])
    assert (folder.root / key(b"content")).stat().st_ino != before.st_ino
    assert folder.all_keys() == [key(b"content")]


def test_content_on_an_unreachable_disk_is_not_replaced(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.blobs.put(ORG, [b"content"])
    before = (folder.root / key(b"content")).stat()
    with monkeypatch.context() as broken:
        broken.setattr(os, "readv", _failing(errno.ESTALE))
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


# --- kills ----------------------------------------------------------------------------------------


def test_after_a_kill_before_any_step_content_is_complete_or_absent(
    tmp_path: Path,
) -> None:
    raw = pattern(250_000)
    killed = receive(start(kill_before_each_step, tmp_path, raw))
    left_unfinished = 0
    for step in range(killed):
        folder = Folder(tmp_path / str(step))
        left = incoming(folder)
        assert len(left) <= 1
        assert set(folder.all_keys()) - set(left) <= {key(raw)}
        assert wrong_names(folder) == []
        for each in left:
            _age(folder, each, _ABANDONED_AFTER_SECONDS + 1)
        assert folder.blobs.discard_abandoned(ORG) == len(left)
        folder.blobs.put(ORG, cut(raw))
        assert folder.all_keys() == [key(raw)]
        assert folder.read(key(raw)) == raw
        left_unfinished += len(left)
    assert killed > 12
    assert left_unfinished > 6


def test_writers_killed_at_any_moment_leave_only_complete_content_and_unfinished_files(
    folder: Folder,
) -> None:
    folder.blobs.put(ORG, [b"kept"])
    rounds, writers = 10, 4
    ends, wrong = receive(start(kill_writers, folder.root, rounds, writers, 0))
    assert ends == [-signal.SIGKILL] * rounds * writers, "one ended by itself"
    assert wrong == []
    left = incoming(folder)
    assert left
    assert folder.blobs.discard_abandoned(ORG) == 0, "they may be living writers' for all we know"
    for each in left:
        _age(folder, each, _ABANDONED_AFTER_SECONDS + 1)
    assert folder.blobs.discard_abandoned(ORG) == len(left)
    assert incoming(folder) == []
    assert folder.read(key(b"kept")) == b"kept"
    assert folder.blobs.discard_abandoned(ORG) == 0


# --- abandoned files ------------------------------------------------------------------------------


def test_a_file_is_abandoned_after_a_minute_without_a_write(folder: Folder) -> None:
    for seconds in (0, 50, 70, 1_000_000):
        folder.write(f"{ORG}/incoming/{seconds}", b"half")
        _age(folder, f"{ORG}/incoming/{seconds}", seconds)
    folder.write(f"{OTHER_ORG}/incoming/70", b"half")
    _age(folder, f"{OTHER_ORG}/incoming/70", 70)
    assert folder.blobs.discard_abandoned(ORG) == 2
    kept = [f"{ORG}/incoming/0", f"{ORG}/incoming/50", f"{OTHER_ORG}/incoming/70"]
    assert folder.all_keys() == kept


def test_a_file_of_a_running_writer_is_never_discarded(
    folder: Folder,
) -> None:
    def slowly() -> Iterator[Chunk]:
        for chunk in (b"", b"first", b"last"):
            yield chunk
            [half] = incoming(folder)
            _age(folder, half, 1_000_000)
            assert folder.blobs.discard_abandoned(ORG) == 0

    assert folder.blobs.put(ORG, slowly()) == content_of(b"firstlast")
    assert folder.all_keys() == [key(b"firstlast")]
    assert folder.blobs.discard_abandoned(ORG) == 0


def test_without_locks_content_is_stored_and_nothing_is_discarded(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have no locks, so a running writer is not detected."""
    monkeypatch.setattr(fcntl, "flock", _failing(errno.ENOLCK))
    assert folder.blobs.put(ORG, [b"content"]) == content_of(b"content")
    folder.write(f"{ORG}/incoming/old", b"half")
    _age(folder, f"{ORG}/incoming/old", 1_000_000)
    assert folder.blobs.discard_abandoned(ORG) == 0
    assert folder.all_keys() == [key(b"content"), f"{ORG}/incoming/old"]


def test_storing_fails_if_another_process_removes_the_incoming_file(
    folder: Folder,
) -> None:
    def robbed() -> Iterator[Chunk]:
        yield b"content"
        [half] = incoming(folder)
        (folder.root / half).unlink()

    with pytest.raises(ContentUnreachable, match="was removed during the write"):
        folder.blobs.put(ORG, robbed())
    assert folder.all_keys() == []


def test_an_absent_directory_has_no_abandoned_files(folder: Folder) -> None:
    assert folder.blobs.discard_abandoned(ORG) == 0
    assert not folder.root.exists()


def test_a_foreign_folder_among_the_abandoned_files_is_skipped(folder: Folder) -> None:
    folder.write(f"{ORG}/incoming/folder/file", b"foreign")
    folder.write(f"{ORG}/incoming/half", b"half")
    for each in ("folder", "half"):
        _age(folder, f"{ORG}/incoming/{each}", 1_000_000)
    assert folder.blobs.discard_abandoned(ORG) == 1
    assert folder.all_keys() == [f"{ORG}/incoming/folder/file"]


# --- a full disk ----------------------------------------------------------------------------------


def test_a_full_disk_keeps_its_content_and_accepts_more_after_space_is_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Use a real small disk if root or a namespace can mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size={full_disk.SIZE_BYTES} tmpfs {disk}"
    for unshare in (["unshare", "-m"], ["unshare", "-Urm"]):
        if _run(*unshare, "sh", "-c", mount).returncode == 0:
            program = f"{mount} && exec {sys.executable} -m tests.blobs.full_disk {disk}"
            done = _run(*unshare, "sh", "-c", program)
            assert done.returncode == 0, done.stderr
            assert list(disk.iterdir()) == [], "the disk was mounted for others to see"
            return
    _pretend_a_small_disk(disk, monkeypatch)
    full_disk.fill_up_and_make_room(disk / "blobs")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
        )
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def test_a_chunk_that_is_written_only_in_part_is_continued_until_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend_a_small_disk(tmp_path, monkeypatch)
    full_disk.fill_up_and_make_room(tmp_path / "blobs")


def test_on_a_full_disk_a_mark_overwrites_the_mark_before_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.blobs.put(ORG, [b"so that the organization's folders are there"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _failing(errno.ENOSPC))
        with pytest.raises(ContentUnreachable, match="disk is full"):
            folder.blobs.mark(ORG, MARK)
        assert folder.blobs.read_mark(ORG) is None
    folder.blobs.mark(ORG, Mark(12_345, bytes(32), MARK.database))
    monkeypatch.setattr(os, "write", _failing(errno.ENOSPC))
    folder.blobs.mark(ORG, MARK)
    assert folder.read(f"{ORG}/head") == MARK_TEXT
    assert incoming(folder) == []


def _pretend_a_small_disk(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the folder hold no more than a small disk, and write at most 64 KiB at once."""
    write = os.write

    def written(file: int, raw: memoryview) -> int:
        used = sum(path.stat().st_size for path in disk.rglob("*") if path.is_file())
        room = full_disk.SIZE_BYTES - used
        if room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, raw[: min(room, 65_536)])

    monkeypatch.setattr(os, "write", written)


# --- errors of the operating system ---------------------------------------------------------------


def _failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


_FAILURES: list[tuple[int, type[CatactlError]]] = [
    (errno.ENOSPC, ContentUnreachable),
    (errno.EDQUOT, ContentUnreachable),
    (errno.EIO, ContentUnreachable),
    (errno.ESTALE, ContentUnreachable),
    (errno.EMFILE, ContentUnreachable),
    (errno.EACCES, Forbidden),
    (errno.EPERM, Forbidden),
    (errno.EROFS, Forbidden),
    (errno.ENOTDIR, BadConfiguration),
    (errno.ELOOP, BadConfiguration),
    (errno.ENAMETOOLONG, BadConfiguration),
]


@pytest.mark.parametrize(("number", "error"), _FAILURES, ids=lambda value: str(value))
@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_a_failed_step_raises_a_translated_error_and_leaves_nothing(
    folder: Folder,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    number: int,
    error: type[CatactlError],
) -> None:
    folder.blobs.put(ORG, [b"kept"])
    with monkeypatch.context() as broken:
        broken.setattr(os, step, _failing(number))
        with pytest.raises(error) as caught:
            folder.blobs.put(ORG, [b"content"])
    assert caught.type is error
    assert str(folder.root) in caught.value.message
    assert folder.all_keys() == [key(b"kept")]
    folder.blobs.put(ORG, [b"content"])
    assert folder.read(key(b"content")) == b"content"


def test_a_full_disk_and_an_unreachable_disk_have_different_errors(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, is_full in ((errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)):
        with monkeypatch.context() as broken:
            broken.setattr(os, "write", _failing(number))
            with pytest.raises(ContentUnreachable) as caught:
                folder.blobs.put(ORG, [b"content"])
        assert ("the disk is full" in caught.value.message) is is_full


def test_a_failed_read_raises_a_translated_error(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = folder.blobs.put(ORG, [b"content"])
    for number, error, of_one in (
        (errno.EIO, ContentUnreachable, ContentDamaged),
        (errno.EACCES, Forbidden, Forbidden),
    ):
        with monkeypatch.context() as broken:
            broken.setattr(os, "readv", _failing(number))
            with pytest.raises(of_one, match=content.sha256):
                read(folder.blobs.open(ORG, content.sha256))
        with monkeypatch.context() as broken:
            broken.setattr(os, "listdir", _failing(number))
            with pytest.raises(error, match=str(ORG)):
                list(folder.blobs.list(ORG))
            with pytest.raises(error, match=str(ORG)):
                folder.blobs.discard_abandoned(ORG)
        with monkeypatch.context() as broken:
            broken.setattr(os, "stat", _failing(number))
            with pytest.raises(error, match=content.sha256):
                folder.blobs.missing(ORG, [content])


def test_a_failed_deletion_raises_a_translated_error(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = folder.blobs.put(ORG, [b"content"])
    for number, error in ((errno.EIO, ContentUnreachable), (errno.EROFS, Forbidden)):
        with monkeypatch.context() as broken:
            broken.setattr(os, "unlink", _failing(number))
            with pytest.raises(error, match=content.sha256):
                folder.blobs.delete(ORG, [content.sha256])
    assert folder.all_keys() == [key(b"content")]


def test_only_the_last_folder_is_created_so_that_an_unmounted_disk_is_noticed(
    tmp_path: Path,
) -> None:
    absent = tmp_path / "mnt"
    raw_store = Folder(absent / "blobs")
    with pytest.raises(BadConfiguration, match=str(absent)) as caught:
        raw_store.blobs.put(ORG, [b"content"])
    assert caught.value.hint is not None
    assert "catactl config show" in caught.value.hint
    assert not absent.exists()
    absent.mkdir()
    raw_store.blobs.put(ORG, [b"content"])
    assert raw_store.all_keys() == [key(b"content")]


@pytest.mark.parametrize("way", ["blobs", f"blobs/{ORG}", f"blobs/{ORG}/incoming"])
def test_a_file_in_the_way_is_a_bad_configuration(folder: Folder, way: str) -> None:
    path = folder.root.parent / way
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"in the way")
    with pytest.raises(BadConfiguration, match=str(folder.root)):
        folder.blobs.put(ORG, [b"content"])
    assert path.read_bytes() == b"in the way"
    assert list(folder.blobs.list(ORG)) == []
    assert folder.blobs.discard_abandoned(ORG) == 0


def test_a_folder_or_a_loop_under_a_final_name_is_a_bad_configuration(folder: Folder) -> None:
    (folder.root / key(b"folder")).mkdir(parents=True)
    loop = folder.root / key(b"loop")
    loop.parent.mkdir(parents=True)
    loop.symlink_to(loop)
    for raw, error in ((b"folder", ContentDamaged), (b"loop", BadConfiguration)):
        sha256 = content_of(raw).sha256
        with pytest.raises(BadConfiguration, match=sha256):
            folder.blobs.put(ORG, [raw])
        with pytest.raises(error, match=sha256):
            read(folder.blobs.open(ORG, sha256))
        assert incoming(folder) == []


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
        _age(Folder(root), f"{ORG}/incoming/half", 1_000_000)
        assert receive(start(as_user, 54_002, take_over, root)) == "done"


def test_unfinished_files_of_another_user_do_not_stop_a_sweep(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("theirs", "ours"):
        folder.write(f"{ORG}/incoming/{name}", b"half")
        _age(folder, f"{ORG}/incoming/{name}", 1_000_000)
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
    _age(folder, f"{ORG}/incoming/old", 1_000_000)
    folder.write(f"{ORG}/incoming/young", b"half")
    assert folder.blobs.discard_abandoned(ORG) == 1
    assert sorted(os.listdir("/proc/self/fd")) == before
