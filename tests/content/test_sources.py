"""What is found at paths, and how it is read."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.content import sources, stream
from catactl.content.sources import (
    OpenFile,
    Skipped,
    Source,
    SourceError,
    Unusable,
    find,
    totals,
)
from catactl.content.stream import Stream
from catactl.errors import InvalidValue, NotFound, SourceChanged


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "path"
    path.write_bytes(b"0123456789")
    return path


def _found(*paths: object, name: str | None = None, follow_links: bool = False) -> list[str]:
    found = find(list(map(str, paths)), name, follow_links=follow_links)
    return [
        each.what if isinstance(each, Skipped) else f"{type(each).__name__} {each.name}"
        for each in found
    ]


def test_files_are_found_in_the_order_given_and_below_folders_by_name(tmp_path: Path) -> None:
    for name in ("f/b/2", "f/a", "f/b/1", "f/c", "single"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"xyz")
    single, folder = tmp_path / "single", tmp_path / "f"
    below = ["Source a", "Source b/1", "Source b/2", "Source c"]
    assert _found(single, folder) == ["Source single", *below]
    assert _found(f"{folder}/") == below
    assert _found(folder, name="n/") == [each.replace(" ", " n/") for each in below]
    assert _found(single, name="n/m") == ["Source n/m"]
    assert totals([str(single), str(folder)], follow_links=False) == (5, 15)
    assert totals([str(tmp_path / "nothing")], follow_links=False) == (0, 0)


def test_links_are_found_only_when_they_are_to_be_followed(tmp_path: Path, path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "circle").symlink_to(folder)
    (folder / "itself").symlink_to("itself")
    (folder / "link").symlink_to(path)
    (tmp_path / "g").symlink_to(folder)
    assert _found(folder) == ["symbolic link"] * 3
    assert _found(folder / "link", tmp_path / "g") == ["Unusable link", "Unusable g"]
    followed = ["link to a folder above it", "Unusable itself", "Source link"]
    assert _found(tmp_path / "g", folder / "link", follow_links=True) == [*followed, "Source link"]


def test_each_file_of_a_folder_that_vanishes_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    (folder / "b").mkdir(parents=True)
    for name in ("a", "b/1", "c"):
        (folder / name).touch()
    finding = find([str(folder)], None, follow_links=False)
    first = next(finding)
    assert isinstance(first, Source)
    shutil.rmtree(folder)
    rest = list(finding)
    assert [each.name for each in rest if isinstance(each, Unusable)] == ["b", "c"]
    assert len(rest) == 2
    with pytest.raises(SourceError) as caught:
        OpenFile(first.path, follow_links=False, below=first.below)
    assert isinstance(caught.value.error, NotFound)


def test_a_folder_deeper_than_python_recurses_is_walked(tmp_path: Path) -> None:
    here, depth = os.getcwd(), 1_500
    os.chdir(tmp_path)
    try:
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        Path("command").touch()
        (found,) = find([str(tmp_path)], None, follow_links=False)
        assert isinstance(found, Source)
        assert found.name == "d/" * depth + "command"
    finally:  # which the tool that clears the folder could not
        os.unlink("command")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")
        os.chdir(here)


@pytest.mark.parametrize("follow_links", [True, False])
def test_a_file_is_read_at_any_place_any_number_of_times(path: Path, follow_links: bool) -> None:
    opened = OpenFile(str(path), follow_links)
    try:
        for offset, size_bytes in ((3, 4), (0, 10), (3, 4), (9, 1), (10, 0)):
            read = b"".join(bytes(chunk) for chunk in opened.read(offset, size_bytes))
            assert read == b"0123456789"[offset : offset + size_bytes]
        opened.check_unchanged()
    finally:
        opened.close()


def test_chunks_are_of_bounded_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CHUNK_BYTES", 4)
    opened = OpenFile(str(path), follow_links=False)
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
def test_a_change_while_it_is_read_is_seen(change: Callable[[Path], object], path: Path) -> None:
    opened = OpenFile(str(path), follow_links=False)
    opened.check_unchanged()
    change(path)
    with pytest.raises(SourceError) as caught:
        opened.check_unchanged()
    assert isinstance(caught.value.error, SourceChanged)
    opened.close()


def test_a_file_that_ends_too_soon_has_changed(path: Path) -> None:
    opened = OpenFile(str(path), follow_links=False)
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
    """Files below /proc and /sys are like this."""
    os.truncate(path, size_bytes)
    monkeypatch.setattr(os, "pread", lambda _file, size, offset: content[offset : offset + size])
    with pytest.raises(SourceError) as caught:
        OpenFile(str(path), follow_links=False)
    assert isinstance(caught.value.error, InvalidValue)
    assert "does not end at its size" in caught.value.error.message


def test_a_file_that_ends_early_while_it_is_read_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = OpenFile(str(path), follow_links=False)
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
        OpenFile(str(path), follow_links=False)
    assert isinstance(caught.value.error, SourceChanged)


def test_a_path_in_a_hint_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a b")
    (found,) = find([str(tmp_path / "a b")], None, follow_links=False)
    assert isinstance(found, Unusable)
    command = f"cat '{tmp_path}/a b' | catactl file upload ORG - --name NAME"
    assert found.error.hint == f"pipe it: {command}"


def test_a_file_that_is_replaced_is_read_as_it_was_opened(path: Path) -> None:
    opened = OpenFile(str(path), follow_links=False)
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
            OpenFile(str(tmp_path / name), follow_links)


@given(st.binary(max_size=40), st.lists(st.integers(1, 12), min_size=1, max_size=12))
def test_a_stream_is_cut_at_any_sizes_without_loss(content: bytes, sizes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "CHUNK_BYTES", 5)
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        reading = Stream(reader)
        cut = [b"".join(bytes(chunk) for chunk in reading.read(size)) for size in sizes]
        assert reading.is_over() == (sum(sizes) >= len(content))
        rest = b"".join(bytes(chunk) for chunk in reading.read())
        assert reading.is_over()
        os.close(reader)
    assert [len(part) for part in cut] == [
        min(size, max(0, len(content) - sum(sizes[:index]))) for index, size in enumerate(sizes)
    ]
    assert b"".join(cut) + rest == content


def test_a_stream_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(SourceError):
        Stream(folder).is_over()
    os.close(folder)


def test_a_stream_waits_where_reading_would_block(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"x")
    os.close(writer)
    readv, blocks = os.readv, iter([True])

    def blocking_once(file: int, buffers: list[memoryview]) -> int:
        if next(blocks, False):
            raise BlockingIOError
        return readv(file, buffers)

    monkeypatch.setattr(os, "readv", blocking_once)
    assert [bytes(chunk) for chunk in Stream(reader).read()] == [b"x"]
    os.close(reader)
