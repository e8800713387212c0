"""A stream is read once, in order, and cut into parts while it is read."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.content import part_ranges, stream_source
from catactl.content.part_ranges import UNLIMITED_BYTES
from catactl.content.source import SourceError
from catactl.content.stream_source import StandardInput, StreamSource
from catactl.domain.organization import SetQuota
from catactl.errors import Conflict, InvalidValue
from catactl.results.files import FileUploaded
from tests.content.conftest import Org
from tests.support import assert_consistent, run

Upload = Callable[..., FileUploaded]


class Unread:
    """Counts the bytes that are read from a stream."""

    read_bytes = 0

    def begin(self, name: str) -> None:
        pass

    def advance(self, size_bytes: int, /) -> None:
        self.read_bytes += size_bytes


def _upload(org: Org, file: int, part_bytes: int | None, meter: Unread) -> FileUploaded:
    uploaded = org.upload_item(StandardInput("x", file), part_bytes, meter=meter)
    if uploaded.error is not None:
        raise uploaded.error
    assert uploaded.result is not None
    return uploaded.result


@pytest.fixture
def upload(org: Org) -> Upload:
    """Return a function that uploads the content of a pipe as `x`."""

    def upload(
        content: bytes, part_bytes: int | None = None, meter: Unread | None = None
    ) -> FileUploaded:
        reader, writer = os.pipe()

        def write() -> None:
            with open(writer, "wb") as pipe:
                pipe.write(content)

        writing = threading.Thread(target=write)
        writing.start()
        try:
            return _upload(org, reader, part_bytes, meter or Unread())
        finally:
            while os.read(reader, 1 << 16):
                pass
            writing.join()
            os.close(reader)

    return upload


def _has_parts(org: Org, *parts: bytes) -> UUID:
    file_id = org.create("x")
    for number, part in enumerate(parts, start=1):
        org.put(file_id, number, part)
    return file_id


@pytest.mark.parametrize(
    ("parts", "part_bytes"),
    [
        ([b"abc"], None),
        ([b"abc"], 3),
        ([b"abc"], 4),
        ([b"abc", b"def"], None),
        ([b"abc", b"def"], 3),
        ([b"abc", b"def", b"ghij", b"kl"], None),
        ([b"abc", b"def", b"g"], None),
        ([b"abcdef", b"ghi"], None),
        ([b"abc", b"other"], None),
    ],
)
def test_an_interrupted_stream_continues_with_the_existing_parts(
    parts: list[bytes], part_bytes: int | None, org: Org, upload: Upload
) -> None:
    file_id = _has_parts(org, *parts)
    same = [part for part in parts if part != b"other"]
    row = upload(b"abcdefghijkl", part_bytes)
    assert (row["outcome"], row["status"]) == ("resumed", "complete")
    assert row["events"].count("file.part_uploaded") == row["part_count"] - len(same)
    assert org.download(file_id) == b"abcdefghijkl"
    assert_consistent(org.engine, org.org_id)


def test_another_size_than_that_of_the_existing_parts_is_refused_before_the_stream_is_read(
    org: Org, upload: Upload
) -> None:
    _has_parts(org, b"abc", b"def")
    meter = Unread()
    with pytest.raises(Conflict, match="has parts of 3 bytes already, not of 4"):
        upload(b"abcdefghijkl", 4, meter)
    assert meter.read_bytes == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it does not depend on it
def test_the_parts_of_a_stream_grow_to_hold_it_in_10_000_parts(org: Org, upload: Upload) -> None:
    content = bytes(range(256)) * 47  # 12,032 bytes
    row = upload(content, 1)
    assert (row["status"], row["size_bytes"]) == ("complete", len(content))
    assert row["part_count"] < 1_000
    assert org.download(UUID(row["file_id"])) == content


def test_a_regular_file_that_is_too_large_for_its_parts_is_refused_before_it_is_read(
    org: Org, tmp_path: Path
) -> None:
    with (tmp_path / "sparse").open("w+b") as file:
        file.truncate(3 * 1024**4)
        file.seek(1024)
        meter = Unread()
        with pytest.raises(InvalidValue, match="'x' is too large"):
            _upload(org, file.fileno(), 1, meter)
        assert meter.read_bytes == 0


@pytest.mark.parametrize("size_bytes", [6, 7])
def test_a_stream_of_too_many_parts_is_refused_before_its_end(
    size_bytes: int, org: Org, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_ranges, "MAX_PART_NUMBER", 2)
    if size_bytes == 6:
        assert upload(b"abcdef", 3)["part_count"] == 2
        return
    meter = Unread()
    with pytest.raises(InvalidValue, match="2 parts hold 6 bytes"):
        upload(b"abcdefg" * 100, 3, meter)
    assert meter.read_bytes == 6
    assert_consistent(org.engine, org.org_id)


def test_a_stream_that_fits_the_quota_at_its_end_fits_while_it_is_uploaded(
    org: Org, upload: Upload
) -> None:
    file_id = _has_parts(org, b"abc")
    org.put(file_id, 3, b"ghi")
    run(org.handler, org.org_id, org.org_id, SetQuota(7))
    assert upload(b"abcdefg")["status"] == "complete"
    assert org.download(file_id) == b"abcdefg"
    assert_consistent(org.engine, org.org_id)


@given(st.binary(max_size=40), st.lists(st.integers(1, 12), min_size=1, max_size=12))
def test_a_stream_is_cut_at_any_sizes_without_loss(content: bytes, sizes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_source, "CHUNK_BYTES", 5)
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        reading = StreamSource(reader)
        offset, cut = 0, []
        for size in sizes:
            cut.append(b"".join(bytes(chunk) for chunk in reading.read(offset, size)))
            offset += len(cut[-1])
        assert reading.is_at_end() == (sum(sizes) >= len(content))
        rest = b"".join(bytes(chunk) for chunk in reading.read(offset, UNLIMITED_BYTES))
        assert reading.is_at_end()
        os.close(reader)
    assert [len(part) for part in cut] == [
        min(size, max(0, len(content) - sum(sizes[:index]))) for index, size in enumerate(sizes)
    ]
    assert b"".join(cut) + rest == content


def test_a_stream_that_cannot_be_read_raises_an_error(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(SourceError):
        StreamSource(folder).is_at_end()
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
    assert [bytes(chunk) for chunk in StreamSource(reader).read(0, 7)] == [b"x"]
    os.close(reader)
