"""A file is read at any offset, and refused if it changes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from catactl.blobs import durable_files
from catactl.content.file_source import FileSource
from catactl.content.source import SourceError
from catactl.errors import InvalidValue, SourceChanged


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "path"
    path.write_bytes(b"0123456789")
    return path


@pytest.mark.parametrize("follow_links", [True, False])
def test_a_file_is_read_at_any_offset_any_number_of_times(path: Path, follow_links: bool) -> None:
    opened = FileSource(str(path), follow_links)
    try:
        for offset, size_bytes in ((3, 4), (0, 10), (3, 4), (9, 1), (10, 0)):
            read = b"".join(bytes(chunk) for chunk in opened.read(offset, size_bytes))
            assert read == b"0123456789"[offset : offset + size_bytes]
        opened.check_unchanged()
    finally:
        opened.close()


def test_chunks_are_of_bounded_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable_files, "CHUNK_BYTES", 4)
    opened = FileSource(str(path), follow_links=False)
    assert [bytes(chunk) for chunk in opened.read(1, 9)] == [b"1234", b"5678", b"9"]
    opened.close()


def _keep_times(path: Path, change: Callable[[Path], object]) -> None:
    before = path.stat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"0123456789+"),
        lambda path: path.write_bytes(b"012345678X"),
        lambda path: os.truncate(path, 9),
        lambda path: _keep_times(path, lambda path: path.write_bytes(b"012345678X")),
    ],
    ids=["longer", "other", "shorter", "with its times put back"],
)
def test_a_change_of_the_file_is_detected(change: Callable[[Path], object], path: Path) -> None:
    opened = FileSource(str(path), follow_links=False)
    opened.check_unchanged()
    change(path)
    with pytest.raises(SourceError) as caught:
        opened.check_unchanged()
    assert isinstance(caught.value.error, SourceChanged)
    opened.close()


def test_a_file_that_ends_too_soon_has_changed(path: Path) -> None:
    opened = FileSource(str(path), follow_links=False)
    os.truncate(path, 4)
    with pytest.raises(SourceError) as caught:
        list(opened.read(0, 10))
    assert isinstance(caught.value.error, SourceChanged)
    opened.close()


@pytest.mark.parametrize(
    ("size_bytes", "content"), [(0, b"x"), (4096, b"ends early"), (4, b"ends late"), (4, b"")]
)
def test_a_file_that_does_not_end_at_its_size_is_refused_when_it_is_opened(
    size_bytes: int, content: bytes, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sizes of files below /proc and /sys are wrong in this way."""
    os.truncate(path, size_bytes)
    monkeypatch.setattr(os, "pread", lambda _file, size, offset: content[offset : offset + size])
    with pytest.raises(SourceError) as caught:
        FileSource(str(path), follow_links=False)
    assert isinstance(caught.value.error, InvalidValue)
    assert "does not end at its size" in caught.value.error.message


def test_a_file_that_ends_early_while_it_is_read_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = FileSource(str(path), follow_links=False)
    monkeypatch.setattr(os, "preadv", lambda _file, _buffers, _offset: 0)
    with pytest.raises(SourceError) as caught:
        list(opened.read(0, 10))
    assert isinstance(caught.value.error, InvalidValue)
    opened.close()


def test_a_file_that_grows_while_it_is_opened_has_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread

    def late(file: int, size_bytes: int, offset: int) -> bytes:
        path.write_bytes(b"0123456789+")
        return pread(file, size_bytes, offset)

    monkeypatch.setattr(os, "pread", late)
    with pytest.raises(SourceError) as caught:
        FileSource(str(path), follow_links=False)
    assert isinstance(caught.value.error, SourceChanged)


def test_a_file_that_is_replaced_is_read_as_it_was_opened(path: Path) -> None:
    opened = FileSource(str(path), follow_links=False)
    other = path.with_name("other")
    other.write_bytes(b"other")
    other.rename(path)
    assert b"".join(bytes(chunk) for chunk in opened.read(0, 10)) == b"0123456789"
    opened.close()


def test_a_path_that_became_a_link_or_a_pipe_is_not_opened(tmp_path: Path, path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    for name, follow_links in (("link", False), ("pipe", True), ("pipe", False), ("", True)):
        with pytest.raises(SourceError):
            FileSource(str(tmp_path / name), follow_links)
