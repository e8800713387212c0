"""Content read back, and what keeps it from being had."""

import pytest

from catactl.blobs.store import measure
from catactl.content import readable_file as module
from catactl.content.readable_file import ReadableFile, read_content, readable_file
from catactl.errors import ContentDamaged, ContentMissing, Findings
from catactl.store.sql.engine import reading
from tests.content.conftest import Place

PARTS = tuple(bytes([number]) * (1 + number % 3) for number in range(12))


@pytest.fixture(params=[0, 2, 1 << 20], ids=["none is held", "some are held", "all are held"])
def file(
    place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> ReadableFile:
    """A file of twelve parts, some of them too large to be held, or all, or none."""
    monkeypatch.setattr(module, "_IN_MEMORY_BYTES", request.param)
    file_id = place.upload("x", *PARTS)
    with reading(place.engine) as conn:
        return readable_file(conn, place.org_id, file_id)


def test_parts_come_in_order_whichever_is_read_first(place: Place, file: ReadableFile) -> None:
    assert b"".join(map(bytes, read_content(place.blobs, file, file.parts))) == b"".join(PARTS)
    rest = read_content(place.blobs, file, file.parts[7:])
    assert b"".join(map(bytes, rest)) == b"".join(PARTS[7:])
    assert list(read_content(place.blobs, file, [])) == []


def test_what_is_damaged_or_missing_comes_after_what_is_right(
    place: Place, file: ReadableFile
) -> None:
    path = place.blobs.locate(place.org_id, measure([PARTS[6]]).sha256)
    with open(path, "wb") as damaged:
        damaged.write(b"X")
    got, error = _read(place, file)
    assert isinstance(error, ContentDamaged)
    assert "part 7 of file 'x'" in error.message
    assert got.removesuffix(b"X") == b"".join(PARTS[:6])
    place.blobs.delete(place.org_id, [file.parts[6].sha256])
    got, error = _read(place, file)
    assert isinstance(error, ContentMissing)
    assert got == b"".join(PARTS[:6])


def _read(place: Place, file: ReadableFile) -> tuple[bytes, Findings | None]:
    """What comes before something is wrong, and what is."""
    got = bytearray()
    try:
        for chunk in read_content(place.blobs, file, file.parts):
            got += chunk
    except Findings as error:
        return bytes(got), error
    return bytes(got), None
