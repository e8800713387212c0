"""`file download` to a path, a folder, a device and standard output: complete or not at all."""

import fcntl
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, update

from catactl.blobs.directory import Directory
from catactl.content import download
from catactl.store.tables import files
from tests.cli.support import Cli, Result, contents_in, run_in_child, sha256
from tests.processes import processes, receive, start
from tests.support import ROOT, tampering

CONTENT = b"aaabbbccc"


@pytest.fixture
def stored(sqlite_acme: Cli, tmp_path: Path) -> Cli:
    """Return a CLI with a file `a/data.bin` of three parts."""
    _store(sqlite_acme, tmp_path)
    return sqlite_acme


@pytest.fixture
def stored_anywhere(acme: Cli, tmp_path: Path) -> Cli:
    """The same on either database."""
    _store(acme, tmp_path)
    return acme


def _store(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    cli.ok("file", "upload", "acme", path, "--name", "a/data.bin", "--part-size", 3)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder."""
    target = tmp_path / "target"
    target.mkdir()
    return target


def _to(path: object, *more: object) -> tuple[object, ...]:
    return ("file", "download", "acme", "a/data.bin", "--to", path, *more)


def _blob(blob_folder: Path, content: bytes) -> Path:
    return next(blob_folder.rglob(sha256(content)))


def _partial(cli: Cli, folder: Path) -> Path:
    """Return the path of the unfinished download to `folder / "data.bin"`."""
    file_id = cli.ok("file", "show", "acme", "a/data.bin")["file_id"]
    return folder / f".catactl-{file_id}-{sha256(b'data.bin')[:8]}.partial"


# --- where to -------------------------------------------------------------------------------------


def test_a_long_name_is_downloaded_under_itself(
    sqlite_acme: Cli, target: Path, tmp_path: Path
) -> None:
    name = "漢" * 80  # 240 bytes of the 255 that a file system takes
    (tmp_path / name).write_bytes(CONTENT)
    sqlite_acme.ok("file", "upload", "acme", tmp_path / name)
    sqlite_acme.ok("file", "download", "acme", name, "--to", target)
    assert (target / name).read_bytes() == CONTENT


def test_a_file_that_appears_during_the_download_is_not_replaced(
    stored: Cli, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contents(*_: object) -> Iterator[bytes]:
        (target / "data.bin").write_bytes(b"somebody else's")
        yield CONTENT

    monkeypatch.setattr(download, "read_content", contents)
    stored.fails(4, *_to(target / "data.bin"))
    assert contents_in(target) == {"data.bin": b"somebody else's"}


def test_an_equal_file_that_appears_during_the_download_is_a_success(
    stored: Cli, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contents(*_: object) -> Iterator[bytes]:
        (target / "data.bin").write_bytes(CONTENT)
        yield CONTENT

    monkeypatch.setattr(download, "read_content", contents)
    stored.ok(*_to(target / "data.bin"))
    assert contents_in(target) == {"data.bin": CONTENT}


def test_a_file_that_appears_and_disappears_is_not_taken_for_the_download(
    stored: Cli, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contents(*_: object) -> Iterator[bytes]:
        (target / "data.bin").write_bytes(CONTENT)
        yield CONTENT

    is_there = download._has_file

    def gone(*arguments: Any, **options: Any) -> bool:
        (target / "data.bin").unlink(missing_ok=True)
        return is_there(*arguments, **options)

    monkeypatch.setattr(download, "read_content", contents)
    monkeypatch.setattr(download, "_has_file", gone)
    stored.ok(*_to(target / "data.bin"))
    assert contents_in(target) == {"data.bin": CONTENT}


def test_all_files_are_downloaded_into_a_folder_that_is_made(
    stored: Cli, target: Path, tmp_path: Path
) -> None:
    stored.ok("file", "upload", "acme", tmp_path / "source", "--name", "b")
    stored.ok("file", "create", "acme", "open")
    back = f"{target}/new/back/"
    rows = stored.ok("file", "download", "acme", "--all", "--to", back)
    assert [row["outcome"] for row in rows] == ["downloaded"] * 2
    for name in ("a/data.bin", "b"):
        assert Path(back, name).read_bytes() == CONTENT
    rows = stored.ok("file", "download", "acme", "a/data.bin", "b", "--to", back)
    assert [row["outcome"] for row in rows] == ["unchanged"] * 2


def test_a_file_that_fails_does_not_stop_the_others(stored: Cli, target: Path) -> None:
    stored.ok("file", "create", "acme", "open")
    result = stored("file", "download", "acme", "open", "a/data.bin", "--to", target, "--json")
    assert result.code == 7
    assert [row["outcome"] for row in result.json] == ["failed", "downloaded"]
    assert [row["name"] for row in result.json] == ["open", "a/data.bin"]
    assert result.json[0]["error"]["exit"] == 5
    assert (target / "a" / "data.bin").read_bytes() == CONTENT


def test_each_failure_names_its_file_and_a_summary_counts_the_outcomes(
    stored: Cli, target: Path, tmp_path: Path
) -> None:
    for name in ("a", "b", "b/c"):
        stored.ok("file", "upload", "acme", tmp_path / "source", "--name", name)
    (target / "b").write_bytes(CONTENT)
    result = stored("file", "download", "acme", "--all", "--to", target)
    assert result.code == 7
    for name in ("a/data.bin", "b/c"):
        assert f"catactl: error: {name}: " in result.stderr
    summary = "4 files: 1 downloaded, 0 resumed, 1 unchanged, 2 failed"
    assert f"catactl: {summary}\n" in result.stderr
    result = stored("file", "download", "acme", "--all", "--to", target, "--json")
    failed = [row["name"] for row in result.json if row["outcome"] == "failed"]
    assert failed == ["a/data.bin", "b/c"]
    assert result.error["message"] == "2 of 4 files were not downloaded"


@pytest.mark.parametrize(
    "arguments", [[], ["a/data.bin", "--all"], ["a/data.bin", "x", "--to", "-"]]
)
def test_an_ambiguous_download_is_refused(arguments: list[str], stored: Cli) -> None:
    stored.has_file("acme", "x")
    stored.fails(2, "file", "download", "acme", *arguments)


def test_a_file_is_downloaded_to_a_path(stored_anywhere: Cli, target: Path) -> None:
    done = stored_anywhere.ok(*_to(target / "x"))
    assert contents_in(target) == {"x": CONTENT}
    file_id = stored_anywhere.ok("file", "show", "acme", "a/data.bin")["file_id"]
    assert done == {
        "org_id": done["org_id"],
        "file_id": file_id,
        "name": "a/data.bin",
        "path": str(target / "x"),
        "outcome": "downloaded",
        "size_bytes": 9,
        "part_count": 3,
        "resumed_bytes": 0,
        "error": None,
    }
    assert stored_anywhere(
        "file", "download", "acme", file_id, "--to", target / "y", "-o", "id"
    ) == Result(0, f"{file_id}\n", "")


def test_below_a_folder_a_file_keeps_its_relative_name(
    stored: Cli, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stored.ok(*_to(target))["path"] == str(target / "a" / "data.bin")
    assert (target / "a" / "data.bin").read_bytes() == CONTENT
    (target / "here").mkdir()
    monkeypatch.chdir(target / "here")
    stored.ok("file", "download", "acme", "a/data.bin")
    assert (target / "here" / "a" / "data.bin").read_bytes() == CONTENT
    stored.ok(*_to("plain"))
    assert (target / "here" / "plain").read_bytes() == CONTENT


def test_standard_output_gets_the_bytes_and_nothing_else(sqlite_acme: Cli, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "raw").write_bytes(content)
    sqlite_acme.ok("file", "upload", "acme", tmp_path / "raw", "--part-size", "100KB")
    done = subprocess.run(
        [sys.executable, "-m", "catactl", "file", "download", "acme", "raw", "--to", "-"],
        capture_output=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, content, b"")


def test_a_device_is_written_to_and_not_replaced(stored: Cli) -> None:
    master, slave = os.openpty()
    try:
        device = os.ttyname(slave)
        assert stored.ok(*_to(device))["outcome"] == "downloaded"
        received = b""
        while len(received) < len(CONTENT):
            received += os.read(master, 100)
        assert received == CONTENT
        assert stat.S_ISCHR(os.stat(device).st_mode)
    finally:
        os.close(master)
        os.close(slave)


def test_a_pipe_is_written_to_and_not_replaced(stored: Cli, target: Path) -> None:
    os.mkfifo(target / "pipe")
    received: list[bytes] = []
    reading = threading.Thread(target=lambda: received.append((target / "pipe").read_bytes()))
    reading.start()
    stored.ok(*_to(target / "pipe"))
    reading.join(10)
    assert received == [CONTENT]
    assert (target / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("path", "code"), [("no/where", 3), ("file/", 77), ("file/x", 2), ("", 2), ("x" * 300, 2)]
)
def test_impossible_paths_are_refused(
    path: str, code: int, stored: Cli, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (target / "file").touch()
    monkeypatch.chdir(target)
    stored.fails(code, *_to(path))
    assert os.listdir(target) == ["file"]


# --- what is there already ------------------------------------------------------------------------


def test_an_equal_file_at_the_target_is_kept(stored: Cli, target: Path) -> None:
    stored.ok(*_to(target))
    path = target / "a" / "data.bin"
    before = path.stat()
    again = stored.ok(*_to(target))
    assert (again["outcome"], again["resumed_bytes"]) == ("unchanged", 9)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("other", [b"aaabbbccX", b"aaabbb", b"aaabbbcccd", b""])
def test_a_file_with_other_content_is_replaced_only_with_force(
    other: bytes, stored: Cli, target: Path
) -> None:
    (target / "x").write_bytes(other)
    error = stored.fails(4, *_to(target / "x"))
    assert "--force" in error["hint"]
    assert contents_in(target) == {"x": other}
    assert stored.ok(*_to(target / "x", "--force"))["outcome"] == "downloaded"
    assert contents_in(target) == {"x": CONTENT}


def test_a_folder_of_the_same_name_is_an_error(stored: Cli, target: Path) -> None:
    (target / "a" / "data.bin").mkdir(parents=True)
    stored.fails(4, *_to(target, "--force"))
    assert (target / "a" / "data.bin").is_dir()


@pytest.mark.parametrize(
    ("there", "resumed_bytes"),
    [
        (b"aaabb", 3),
        (b"aaabbb", 6),
        (b"aaabbbcccddd", 9),
        (b"Xaabbbccc", 0),
        (b"aaaXbb", 3),
        (b"", 0),
    ],
)
def test_a_download_continues_after_the_correct_parts(
    there: bytes, resumed_bytes: int, stored: Cli, target: Path
) -> None:
    _partial(stored, target).write_bytes(there)
    done = stored.ok(*_to(target / "data.bin"))
    assert (done["resumed_bytes"], done["outcome"]) == (
        resumed_bytes,
        "resumed" if resumed_bytes else "downloaded",
    )
    assert contents_in(target) == {"data.bin": CONTENT}


def test_an_interrupted_download_continues_where_it_stopped(
    stored_anywhere: Cli, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_open = Directory.open

    def interrupted(self: Directory, org_id: UUID, digest: str) -> Iterator[Any]:
        if digest == sha256(b"ccc"):
            raise KeyboardInterrupt
        return really_open(self, org_id, digest)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "open", interrupted)
        assert stored_anywhere(*_to(target / "data.bin")).code == 130
    assert contents_in(target) == {_partial(stored_anywhere, target).name: b"aaabbb"}
    assert stored_anywhere.ok(*_to(target / "data.bin"))["resumed_bytes"] == 6
    assert contents_in(target) == {"data.bin": CONTENT}


def test_a_download_in_progress_is_not_disturbed(stored: Cli, target: Path) -> None:
    partial = _partial(stored, target)
    partial.write_bytes(b"aaa")
    with partial.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        error = stored.fails(75, *_to(target / "data.bin"))
    assert (error["code"], error["retryable"]) == ("busy", True)
    assert contents_in(target) == {partial.name: b"aaa"}


def test_a_download_that_is_giving_its_file_a_name_is_not_disturbed(
    stored: Cli, target: Path
) -> None:
    partial = _partial(stored, target)
    partial.write_bytes(CONTENT)
    with partial.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        os.link(partial, target / "named")
        stored.fails(75, *_to(target / "data.bin"))
    assert contents_in(target) == {partial.name: CONTENT, "named": CONTENT}


def test_of_two_downloads_to_one_path_both_succeed_or_one_fails_as_retryable(
    stored_anywhere: Cli, target: Path
) -> None:
    for number in range(4):
        barrier = processes.Barrier(2)
        arguments = [str(each) for each in _to(target / str(number), "--json")]
        both = [start(run_in_child, dict(os.environ), barrier, arguments) for _ in range(2)]
        codes = sorted(receive(each).code for each in both)
        assert codes in ([0, 0], [0, 75])
    assert contents_in(target) == {str(number): CONTENT for number in range(4)}


# --- what cannot be had ---------------------------------------------------------------------------


@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize("damage", ["missing", "damaged", "cut"])
def test_content_that_is_not_right_leaves_no_file(
    damage: str, forced: bool, stored: Cli, target: Path, blob_folder: Path
) -> None:
    blob = _blob(blob_folder, b"bbb")
    match damage:
        case "missing":
            blob.unlink()
        case "damaged":
            blob.write_bytes(b"bXb")
        case _:
            blob.write_bytes(b"bb")
    if forced:
        (target / "x").write_bytes(b"before")
    error = stored.fails(6, *_to(target / "x", *["--force"] * forced))
    assert error["code"] == ("content_missing" if damage == "missing" else "content_damaged")
    assert str(blob) in error["message"]
    assert contents_in(target) == ({"x": b"before"} if forced else {})


def test_files_that_cannot_be_downloaded_are_refused(
    acme: Cli, target: Path, tmp_path: Path
) -> None:
    def fails(code: int, name: str) -> str:
        message = acme.fails(code, "file", "download", "acme", name, "--to", target)["message"]
        assert not os.listdir(target)
        return str(message)

    fails(3, "nothing")
    acme.has_file("acme", "recorded", 1)
    assert "not complete" in fails(5, "recorded")
    acme.ok("file", "complete", "acme", "recorded")
    assert "kept elsewhere" in fails(5, "recorded")
    (tmp_path / "deleted").write_bytes(b"x")
    acme.ok("file", "upload", "acme", tmp_path / "deleted")
    acme.ok("file", "delete", "acme", "deleted")
    assert "is deleted" in fails(5, "deleted")


# --- where a stored name may not lead -------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../outside/x", "/{outside}/x", "a/../../outside/x", "..\\x", "C:x", "..", "a//b", ""]
)
def test_a_stored_name_never_leads_out_of_the_folder(
    name: str, stored: Cli, target: Path, tmp_path: Path, sqlite_url: URL
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    file_id = stored.ok("file", "show", "acme", "a/data.bin")["file_id"]
    with tampering(sqlite_url) as conn:
        conn.execute(update(files).values(name=name.format(outside=outside)))
    stored.fails(2, "file", "download", "acme", file_id, "--to", target)
    assert not os.listdir(outside)
    assert not os.listdir(target)


@pytest.mark.parametrize("link", ["a", "a/data.bin"])
def test_a_link_below_the_folder_is_never_followed(
    link: str, stored: Cli, target: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "data.bin").write_bytes(b"precious")
    (target / link).parent.mkdir(exist_ok=True)
    (target / link).symlink_to(outside if link == "a" else outside / "data.bin")
    assert stored.fails(4, *_to(target, "--force"))["code"] == "already_exists"
    assert contents_in(outside) == {"data.bin": b"precious"}
    assert (target / link).is_symlink()


def test_a_link_that_is_named_is_neither_followed_nor_replaced(stored: Cli, target: Path) -> None:
    (target / "real").write_bytes(b"precious")
    (target / "link").symlink_to("real")
    stored.fails(4, *_to(target / "link", "--force"))
    assert (target / "link").is_symlink()
    assert (target / "real").read_bytes() == b"precious"
