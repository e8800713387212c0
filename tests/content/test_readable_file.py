"""The content of a file is read in order, and its digests are checked."""

import pytest

from catactl.blobs.store import measure
from catactl.content import readable_file as module
from catactl.content.readable_file import ReadableFile, read_content, readable_file
from catactl.errors import ContentDamaged, ContentMissing, Findings
from catactl.store.sql.engine import reading
from tests.content.conftest import Org

PARTS = tuple(bytes([number]) * (1 + number % 3) for number in range(12))


@pytest.fixture(params=[0, 2, 1 << 20], ids=["none is held", "some are held", "all are held"])
def file(org: Org, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ReadableFile:
    """Return a file of twelve parts. None, some or all of them are read ahead in memory."""
    monkeypatch.setattr(module, "_IN_MEMORY_BYTES", request.param)
    file_id = org.upload("x", *PARTS)
    with reading(org.engine) as conn:
        return readable_file(conn, org.org_id, file_id)


def test_parts_are_yielded_in_order(org: Org, file: ReadableFile) -> None:
    assert b"".join(map(bytes, read_content(org.blobs, file, file.parts))) == b"".join(PARTS)
    rest = read_content(org.blobs, file, file.parts[7:])
    assert b"".join(map(bytes, rest)) == b"".join(PARTS[7:])
    assert list(read_content(org.blobs, file, [])) == []


def test_damaged_and_missing_parts_come_after_the_intact_parts(
    org: Org, file: ReadableFile
) -> None:
    path = org.blobs.locate(org.org_id, measure([PARTS[6]]).sha256)
    with open(path, "wb") as damaged:
        damaged.write(b"X")
    got, error = _read(org, file)
    assert isinstance(error, ContentDamaged)
    assert "part 7 of file 'x'" in error.message
    assert got.removesuffix(b"X") == b"".join(PARTS[:6])
    org.blobs.delete(org.org_id, [file.parts[6].sha256])
    got, error = _read(org, file)
    assert isinstance(error, ContentMissing)
    assert got == b"".join(PARTS[:6])


def _read(org: Org, file: ReadableFile) -> tuple[bytes, Findings | None]:
    """Return the content before an error, and the error."""
    got = bytearray()
    try:
        for chunk in read_content(org.blobs, file, file.parts):
            got += chunk
    except Findings as error:
        return bytes(got), error
    return bytes(got), None
