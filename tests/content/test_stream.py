"""A stream is read once, in order, and cut into parts while it is read."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from catactl.content import part_ranges
from catactl.content.recording import Recorder
from catactl.content.stream import Stream, upload_stream
from catactl.content.upload import Order
from catactl.domain.organization import SetQuota
from catactl.errors import Conflict, InvalidValue
from catactl.store.idempotency import Result
from tests.content.conftest import Place, Silent
from tests.support import INTENT, assert_consistent, run

Upload = Callable[..., Result]


class Unread:
    """Counts the bytes that are read from a stream."""

    read_bytes = 0

    def begin(self, name: str) -> None:
        pass

    def advance(self, size_bytes: int, /) -> None:
        self.read_bytes += size_bytes


@pytest.fixture
def upload(place: Place) -> Upload:
    """Upload what a pipe holds as x."""

    def upload(
        content: bytes, part_bytes: int | None = None, meter: Unread | None = None
    ) -> Result:
        reader, writer = os.pipe()

        def write() -> None:
            with open(writer, "wb") as pipe:
                pipe.write(content)

        writing = threading.Thread(target=write)
        writing.start()
        recorder = Recorder(place.handler, place.engine, place.blobs, place.org_id)
        order = Order(lambda _name: INTENT, part_bytes)
        try:
            return upload_stream(recorder, Stream(reader), "x", order, meter or Silent())
        finally:
            while os.read(reader, 1 << 16):
                pass
            writing.join()
            os.close(reader)

    return upload


def _has_parts(place: Place, *parts: bytes) -> UUID:
    file_id = place.create("x")
    for number, part in enumerate(parts, start=1):
        place.put(file_id, number, part)
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
def test_a_stream_that_broke_off_goes_on_with_the_parts_that_are_there(
    parts: list[bytes], part_bytes: int | None, place: Place, upload: Upload
) -> None:
    file_id = _has_parts(place, *parts)
    same = [part for part in parts if part != b"other"]
    row = upload(b"abcdefghijkl", part_bytes)
    assert (row["outcome"], row["status"]) == ("resumed", "complete")
    assert row["events"].count("file.part_uploaded") == row["part_count"] - len(same)
    assert place.download(file_id) == b"abcdefghijkl"
    assert_consistent(place.engine, place.org_id)


def test_another_part_size_than_the_parts_have_is_refused_before_anything_is_read(
    place: Place, upload: Upload
) -> None:
    _has_parts(place, b"abc", b"def")
    meter = Unread()
    with pytest.raises(Conflict, match="has parts of 3 bytes already, not of 4"):
        upload(b"abcdefghijkl", 4, meter)
    assert meter.read_bytes == 0


def test_the_parts_of_a_stream_grow_to_hold_it_in_10_000_parts(
    place: Place, upload: Upload
) -> None:
    content = bytes(range(256)) * 47  # 12,032 bytes
    row = upload(content, 1)
    assert (row["status"], row["size_bytes"]) == ("complete", len(content))
    assert row["part_count"] < 1_000
    assert place.download(UUID(row["file_id"])) == content


def test_a_regular_file_that_no_parts_can_hold_is_refused_before_it_is_read(
    place: Place, tmp_path: Path
) -> None:
    with (tmp_path / "sparse").open("w+b") as file:
        file.truncate(3 * 1024**4)
        file.seek(1024)
        recorder = Recorder(place.handler, place.engine, place.blobs, place.org_id)
        order = Order(lambda _name: INTENT, 1)
        stream, meter = Stream(file.fileno()), Unread()
        with pytest.raises(InvalidValue, match="'x' is too large"):
            upload_stream(recorder, stream, "x", order, meter)
        assert meter.read_bytes == 0


@pytest.mark.parametrize("size_bytes", [6, 7])
def test_a_stream_of_too_many_parts_is_refused_before_its_end(
    size_bytes: int, place: Place, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_ranges, "MAX_PART_NUMBER", 2)
    if size_bytes == 6:
        assert upload(b"abcdef", 3)["part_count"] == 2
        return
    meter = Unread()
    with pytest.raises(InvalidValue, match="2 parts hold 6 bytes"):
        upload(b"abcdefg" * 100, 3, meter)
    assert meter.read_bytes == 6
    assert_consistent(place.engine, place.org_id)


def test_a_stream_that_fits_the_quota_at_its_end_fits_while_it_is_uploaded(
    place: Place, upload: Upload
) -> None:
    file_id = _has_parts(place, b"abc")
    place.put(file_id, 3, b"ghi")
    run(place.handler, place.org_id, place.org_id, SetQuota(7))
    assert upload(b"abcdefg")["status"] == "complete"
    assert place.download(file_id) == b"abcdefg"
    assert_consistent(place.engine, place.org_id)
