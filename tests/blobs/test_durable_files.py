"""Files survive kills and full disks, and unfinished files are discarded."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catactl.blobs.store import Chunk, Mark
from catactl.errors import (
    ContentUnreachable,
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
    failing,
    incoming,
    key,
    pattern,
    set_age,
    wrong_names,
)
from tests.blobs.workers import (
    kill_before_each_step,
    kill_writers,
)
from tests.processes import receive, start
from tests.support import ROOT

_ABANDONED_AFTER_SECONDS = 60


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
            set_age(folder, each, _ABANDONED_AFTER_SECONDS + 1)
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
        set_age(folder, each, _ABANDONED_AFTER_SECONDS + 1)
    assert folder.blobs.discard_abandoned(ORG) == len(left)
    assert incoming(folder) == []
    assert folder.read(key(b"kept")) == b"kept"
    assert folder.blobs.discard_abandoned(ORG) == 0


# --- abandoned files ------------------------------------------------------------------------------


def test_a_file_is_abandoned_after_a_minute_without_a_write(folder: Folder) -> None:
    for seconds in (0, 50, 70, 1_000_000):
        folder.write(f"{ORG}/incoming/{seconds}", b"half")
        set_age(folder, f"{ORG}/incoming/{seconds}", seconds)
    folder.write(f"{OTHER_ORG}/incoming/70", b"half")
    set_age(folder, f"{OTHER_ORG}/incoming/70", 70)
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
            set_age(folder, half, 1_000_000)
            assert folder.blobs.discard_abandoned(ORG) == 0

    assert folder.blobs.put(ORG, slowly()) == content_of(b"firstlast")
    assert folder.all_keys() == [key(b"firstlast")]
    assert folder.blobs.discard_abandoned(ORG) == 0


def test_without_locks_content_is_stored_and_nothing_is_discarded(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have no locks, so a running writer is not detected."""
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    assert folder.blobs.put(ORG, [b"content"]) == content_of(b"content")
    folder.write(f"{ORG}/incoming/old", b"half")
    set_age(folder, f"{ORG}/incoming/old", 1_000_000)
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
        set_age(folder, f"{ORG}/incoming/{each}", 1_000_000)
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
            command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300
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
        patch.setattr(os, "write", failing(errno.ENOSPC))
        with pytest.raises(ContentUnreachable, match="disk is full"):
            folder.blobs.mark(ORG, MARK)
        assert folder.blobs.read_mark(ORG) is None
    folder.blobs.mark(ORG, Mark(12_345, bytes(32), MARK.database))
    monkeypatch.setattr(os, "write", failing(errno.ENOSPC))
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
