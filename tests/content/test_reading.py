"""Content read back, and what keeps it from being had."""

import pytest

from catactl.blobs.store import measure
from catactl.content import reading as content_reading
from catactl.content.reading import Readable, contents, readable
from catactl.errors import ContentDamaged, ContentMissing, Findings
from catactl.store.sql.engine import reading
from tests.content.conftest import Place

PARTS = tuple(bytes([number]) * (1 + number % 3) for number in range(12))


@pytest.fixture(params=[0, 2, 1 << 20], ids=["none is held", "some are held", "all are held"])
def file(place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Readable:
    """A file of twelve parts, some of them too large to be held, or all, or none."""
    monkeypatch.setattr(content_reading, "_HELD_BYTES", request.param)
    file_id = place.upload("x", *PARTS)
    with reading(place.engine) as conn:
        return readable(conn, place.org_id, file_id)


def test_parts_come_in_order_whichever_is_read_first(place: Place, file: Readable) -> None:
    assert b"".join(map(bytes, contents(place.blobs, file, file.parts))) == b"".join(PARTS)
    rest = contents(place.blobs, file, file.parts[7:])
    assert b"".join(map(bytes, rest)) == b"".join(PARTS[7:])
    assert list(contents(place.blobs, file, [])) == []


def test_what_is_damaged_or_missing_comes_after_what_is_right(place: Place, file: Readable) -> None:
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


def _read(place: Place, file: Readable) -> tuple[bytes, Findings | None]:
    """What comes before something is wrong, and what is."""
    got = bytearray()
    try:
        for chunk in contents(place.blobs, file, file.parts):
            got += chunk
    except Findings as error:
        return bytes(got), error
    return bytes(got), None
