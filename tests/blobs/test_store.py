"""What every place for content keeps to, on a local directory and on a real server of S3."""

import errno
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from catactl.blobs.store import (
    CHUNK_BYTES,
    NO_LOGS_MARK,
    Blob,
    BlobStore,
    Chunk,
    Content,
    Mark,
)
from catactl.errors import ContentMissing
from tests.blobs.support import (
    MARK,
    MARK_TEXT,
    NOWHERE,
    ORG,
    OTHER_ORG,
    Folder,
    Place,
    content_of,
    cut,
    key,
    pattern,
    read,
)

_IN_MEMORY_BYTES = 16 * 1024 * 1024

# --- put, open ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size_bytes",
    [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, _IN_MEMORY_BYTES, _IN_MEMORY_BYTES + 7],
)
def test_what_was_put_is_there_under_its_digest_and_nothing_else_is(
    place: Place, size_bytes: int
) -> None:
    raw = pattern(size_bytes)
    assert place.blobs.put(ORG, cut(raw)) == content_of(raw)
    assert place.all_keys() == [key(raw)]
    assert place.read(key(raw)) == raw
    assert read(place.blobs.open(ORG, content_of(raw).sha256)) == raw


def test_the_digest_of_nothing_at_all_is_known(blobs: BlobStore) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert blobs.put(ORG, []) == Content(empty, 0)
    assert blobs.missing(ORG, [Content(empty, 0)]) == set()
    assert read(blobs.open(ORG, empty)) == b""


def test_chunks_may_be_of_any_kind_and_size(place: Place) -> None:
    chunks: list[Chunk] = [b"", b"ab", bytearray(b"c"), memoryview(b"xdefx")[1:4], b"", b"g"]
    assert place.blobs.put(ORG, chunks) == content_of(b"abcdefg")
    assert place.read(key(b"abcdefg")) == b"abcdefg"


def test_content_that_is_not_there_is_missing_and_said_where(blobs: BlobStore) -> None:
    blobs.put(ORG, [b"another"])
    blobs.put(OTHER_ORG, [b"here"])
    sha256 = content_of(b"here").sha256
    with pytest.raises(ContentMissing) as caught:
        next(blobs.open(ORG, sha256))
    assert blobs.locate(ORG, sha256) in caught.value.message


def test_what_is_opened_may_be_left_before_its_end(blobs: BlobStore) -> None:
    raw = pattern(3 * CHUNK_BYTES)
    sha256 = blobs.put(ORG, cut(raw)).sha256
    chunks = blobs.open(ORG, sha256)
    first = bytes(next(chunks))
    assert raw.startswith(first)
    assert first
    del chunks
    assert read(blobs.open(ORG, sha256)) == raw


def test_a_place_is_shown_as_people_would_write_it(place: Place) -> None:
    root = str(place.root) if isinstance(place, Folder) else place.url
    assert place.blobs.locate(ORG, content_of(b"1").sha256) == f"{root}/{key(b'1')}"


# --- put again ------------------------------------------------------------------------------------


def test_the_same_content_put_twice_is_there_once(place: Place) -> None:
    raw = pattern(CHUNK_BYTES + 1)
    assert place.blobs.put(ORG, cut(raw)) == place.blobs.put(ORG, cut(raw, 1_000))
    assert place.all_keys() == [key(raw)]


def test_the_same_content_in_two_organizations_is_there_twice(place: Place) -> None:
    for org_id in (OTHER_ORG, ORG):
        place.blobs.put(org_id, [b"shared"])
    assert place.all_keys() == [key(b"shared", ORG), key(b"shared", OTHER_ORG)]


@pytest.mark.parametrize(
    "damaged",
    [b"", b"contenT", b"conten", b"content!"],
    ids=["empty", "changed", "truncated", "longer"],
)
def test_what_is_damaged_is_replaced_when_it_is_put_again(place: Place, damaged: bytes) -> None:
    place.write(key(b"content"), damaged)
    assert place.blobs.put(ORG, [b"content"]) == content_of(b"content")
    assert place.all_keys() == [key(b"content")]
    assert place.read(key(b"content")) == b"content"


def test_a_bit_flipped_in_a_late_chunk_is_replaced_too(folder: Folder) -> None:
    raw = pattern(2 * CHUNK_BYTES + 5)
    folder.write(key(raw), raw[:-1] + bytes([raw[-1] ^ 1]))
    folder.blobs.put(ORG, cut(raw))
    assert folder.read(key(raw)) == raw


# --- chunks that end in an error ------------------------------------------------------------------


@pytest.mark.parametrize("already", [0, 2 * CHUNK_BYTES + 1, _IN_MEMORY_BYTES + 1])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("no number"),
        OSError(errno.EIO, "the source is broken"),
        OSError(errno.ENOSPC, "the source has no room"),
        PermissionError(errno.EACCES, "the source is closed"),
        KeyboardInterrupt(),
    ],
    ids=["value", "broken", "room", "closed", "interrupt"],
)
def test_chunks_that_end_in_an_error_leave_nothing_and_the_error_passes_as_it_is(
    place: Place, error: BaseException, already: int
) -> None:
    with pytest.raises(type(error)) as caught:
        place.blobs.put(ORG, _broken(already, error))
    assert caught.value is error
    assert place.all_keys() == []


def _broken(already: int, error: BaseException) -> Iterator[Chunk]:
    chunk = bytes(CHUNK_BYTES)
    yield from (chunk[: already - start] for start in range(0, already, CHUNK_BYTES))
    raise error


def test_a_source_that_vanishes_is_the_sources_error(place: Place) -> None:
    with pytest.raises(FileNotFoundError, match="the source"):
        place.blobs.put(ORG, _broken(1, FileNotFoundError(errno.ENOENT, "the source is gone")))


def test_an_error_after_content_was_there_leaves_that_alone(place: Place) -> None:
    place.blobs.put(ORG, [b"kept"])
    with pytest.raises(ZeroDivisionError):
        place.blobs.put(ORG, (bytes([1 // each]) for each in (1, 0)))
    assert place.all_keys() == [key(b"kept")]


# --- missing --------------------------------------------------------------------------------------


def test_content_is_missing_that_is_not_there_in_its_full_size(place: Place) -> None:
    kept = [place.blobs.put(ORG, [b"%d" % number]) for number in range(12)]
    elsewhere = place.blobs.put(OTHER_ORG, [b"elsewhere"])
    truncated = content_of(b"truncated")
    place.write(key(b"truncated"), b"trunc")
    never = {content_of(b"never %d" % number) for number in range(12)}
    gone = {elsewhere, truncated, *never}
    assert place.blobs.missing(ORG, [*kept, *gone]) == gone


def test_one_or_none_may_be_asked_for(blobs: BlobStore) -> None:
    kept = blobs.put(ORG, [b"kept"])
    assert blobs.missing(ORG, []) == set()
    assert blobs.missing(ORG, [kept]) == set()
    assert blobs.missing(ORG, [content_of(b"gone")]) == {content_of(b"gone")}


# --- list -----------------------------------------------------------------------------------------


def test_an_organizations_content_is_listed_in_order_of_its_digest(blobs: BlobStore) -> None:
    contents = [blobs.put(ORG, [b"x" * number]) for number in range(40)]
    prefixes = {content.sha256[:2] for content in contents}
    assert len(prefixes) < len(contents), "no two lie in one folder"
    blobs.put(OTHER_ORG, [b"elsewhere"])
    listed = [Content(blob.sha256, blob.size_bytes) for blob in blobs.list(ORG)]
    assert listed == sorted(contents)


def test_a_listing_tells_since_when_content_is_there(blobs: BlobStore) -> None:
    before = datetime.now(UTC)
    content = blobs.put(ORG, [b"now"])
    [blob] = blobs.list(ORG)
    assert blob == Blob(content.sha256, 0, content.size_bytes, blob.modified_at)
    # S3 tells whole seconds, and a kernel's time for files lags behind by a tick.
    assert before - timedelta(seconds=1) <= blob.modified_at <= datetime.now(UTC)


def test_an_organization_without_content_lists_nothing(blobs: BlobStore) -> None:
    assert list(blobs.list(ORG)) == []
    blobs.put(OTHER_ORG, [b"elsewhere"])
    assert list(blobs.list(ORG)) == []


def test_what_is_none_of_ours_is_neither_listed_nor_in_the_way(place: Place) -> None:
    sha256 = content_of(b"ours").sha256
    foreign = [
        "README",
        f"{ORG}/README",
        f"{ORG}/ab/README",
        f"{ORG}/{sha256}",
        f"{ORG}/{sha256[:2]}/{sha256[:-1]}",
        f"{ORG}/{sha256[:2]}/{sha256}.tmp",
        f"{ORG}/{sha256[:2]}/{sha256}.",
        f"{ORG}/{sha256[:2]}/{sha256}.0",
        f"{ORG}/{sha256[:2]}/{sha256}.01",
        f"{ORG}/{sha256[:2]}/{sha256}.1.1",
        f"{ORG}/{sha256[:2]}/{sha256}.-1",
        f"{ORG}/{sha256[:2]}/{sha256}.1 ",
        f"{ORG}/{sha256[:2]}/{sha256}.x",
        f"{ORG}/{sha256[:2]}/{sha256}.\u0661",
        f"{ORG}/{sha256[:2]}/{sha256}.1000000000",
        f"{ORG}/{sha256[:2]}/{sha256[:-1]}.1",
        f"{ORG}/{sha256}.1",
        f"{ORG}/{sha256[:2]}/{sha256.upper()}",
        f"{ORG}/{sha256[:3]}/{sha256}",
        f"{ORG}/zz/{sha256}",
        f"{ORG}/{sha256[:2]}/deeper/{sha256}",
        f"{ORG}/incoming/{sha256}",
        f"{ORG}-old/{sha256[:2]}/{sha256}",
    ]
    for each in foreign:
        place.write(each, b"foreign")
    assert list(place.blobs.list(ORG)) == []
    place.blobs.put(ORG, [b"ours"])
    assert [blob.sha256 for blob in place.blobs.list(ORG)] == [sha256]
    place.blobs.delete(ORG, [sha256])
    place.blobs.discard_abandoned(ORG)
    assert place.all_keys() == sorted(foreign)


# --- delete ---------------------------------------------------------------------------------------


def test_what_is_deleted_is_gone_and_nothing_else_is(place: Place) -> None:
    contents = [place.blobs.put(ORG, [b"%d" % number]) for number in range(4)]
    place.blobs.put(OTHER_ORG, [b"0"])
    place.blobs.delete(ORG, [contents[0].sha256, contents[1].sha256])
    assert place.blobs.missing(ORG, contents) == {contents[0], contents[1]}
    assert place.all_keys() == sorted([key(b"0", OTHER_ORG), key(b"2"), key(b"3")])


def test_what_is_gone_already_is_no_error(place: Place) -> None:
    place.blobs.delete(ORG, [NOWHERE])
    kept, gone = place.blobs.put(ORG, [b"kept"]), place.blobs.put(ORG, [b"gone"])
    place.blobs.delete(ORG, [gone.sha256])
    place.blobs.delete(ORG, [NOWHERE, gone.sha256])
    place.blobs.delete(ORG, [])
    assert place.blobs.missing(ORG, [kept, gone]) == {gone}


def test_what_was_deleted_can_be_put_again(place: Place) -> None:
    content = place.blobs.put(ORG, [b"again"])
    place.blobs.delete(ORG, [content.sha256])
    assert place.blobs.put(ORG, [b"again"]) == content
    assert place.read(key(b"again")) == b"again"


# --- generations ----------------------------------------------------------------------------------


def test_content_of_each_generation_has_an_address_of_its_own(place: Place) -> None:
    sha256 = content_of(b"again").sha256
    for generation in (0, 1, 2, 10):
        content = place.blobs.put(ORG, [b"again"], {sha256: generation, NOWHERE: 7})
        assert content == content_of(b"again", generation)
        assert content.address == (f"{sha256}.{generation}" if generation else sha256)
        assert place.read(key(b"again", generation=generation)) == b"again"
        assert read(place.blobs.open(ORG, content.address)) == b"again"
        assert place.blobs.locate(ORG, content.address).endswith(
            key(b"again", generation=generation)
        )
    assert place.blobs.put(ORG, [b"other"], {sha256: 1}) == content_of(b"other")
    assert len(place.all_keys()) == 5


def test_generations_are_missing_and_deleted_one_by_one(place: Place) -> None:
    sha256 = content_of(b"again").sha256
    there = [place.blobs.put(ORG, [b"again"], {sha256: number}) for number in range(3)]
    later = content_of(b"again", 3)
    assert place.blobs.missing(ORG, [*there, later]) == {later}
    place.blobs.delete(ORG, [there[0].address, there[2].address, later.address])
    assert place.blobs.missing(ORG, [*there, later]) == {there[0], there[2], later}
    assert place.all_keys() == [key(b"again", generation=1)]
    with pytest.raises(ContentMissing) as caught:
        next(place.blobs.open(ORG, there[2].address))
    assert place.blobs.locate(ORG, there[2].address) in caught.value.message


def test_what_is_damaged_in_one_generation_is_replaced_there_alone(place: Place) -> None:
    sha256 = content_of(b"content").sha256
    place.write(key(b"content"), b"contenT")
    place.write(key(b"content", generation=1), b"c")
    assert place.blobs.put(ORG, [b"content"], {sha256: 1}) == content_of(b"content", 1)
    assert place.read(key(b"content", generation=1)) == b"content"
    assert place.read(key(b"content")) == b"contenT"


def test_a_listing_holds_all_of_a_digest_together_and_is_in_order_of_the_digest(
    blobs: BlobStore,
) -> None:
    raws = [b"x" * number for number in range(40)]
    stored = {
        blobs.put(ORG, [raw], {content_of(raw).sha256: generation})
        for number, raw in enumerate(raws)
        for generation in (0, 1, 2, 10, 999_999_999)[: 1 + number % 5]
    }
    listed = [Content(blob.sha256, blob.size_bytes, blob.generation) for blob in blobs.list(ORG)]
    assert set(listed) == stored
    assert len(listed) == len(stored)
    assert [each.sha256 for each in listed] == sorted(each.sha256 for each in listed)
    assert [each.address for each in listed] == sorted(each.address for each in listed)
    assert [blob.address for blob in blobs.list(ORG)] == [each.address for each in listed]


# --- at once --------------------------------------------------------------------------------------


def test_threads_that_put_the_same_content_at_once_store_it_once(place: Place) -> None:
    raw = pattern(CHUNK_BYTES + 1)
    threads = 6
    start = threading.Barrier(threads)

    def put(_: int) -> Content:
        start.wait()
        return place.blobs.put(ORG, cut(raw, 300_000))

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(3):
            assert set(pool.map(put, range(threads))) == {content_of(raw)}
            assert place.all_keys() == [key(raw)]
            assert place.read(key(raw)) == raw
            place.blobs.delete(ORG, [content_of(raw).sha256])


def test_threads_may_put_read_and_delete_at_once(place: Place) -> None:
    """Readers see content whole or not at all, whatever writers and sweeps do."""
    raw = pattern(50_000)
    sha256 = content_of(raw).sha256
    threads = 4
    start = threading.Barrier(threads)

    def use(number: int) -> None:
        start.wait()
        for turn in range(8):
            if (number + turn) % 4 == 0:
                place.blobs.delete(ORG, [sha256])
            place.blobs.put(ORG, cut(raw, 20_000))
            with suppress(ContentMissing):
                assert read(place.blobs.open(ORG, sha256)) == raw
            assert {blob.size_bytes for blob in place.blobs.list(ORG)} <= {len(raw)}

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(use, range(threads)))
    assert place.all_keys() in ([], [key(raw)])


def test_one_put_may_read_what_another_keeps(place: Place) -> None:
    """As a copy from one organization to another does."""
    raw = pattern(2 * CHUNK_BYTES + 1)
    sha256 = place.blobs.put(ORG, cut(raw)).sha256
    place.blobs.put(OTHER_ORG, place.blobs.open(ORG, sha256))
    assert place.read(key(raw, OTHER_ORG)) == raw


# --- marks ----------------------------------------------------------------------------------------


def test_a_mark_is_the_one_that_was_written_last(place: Place) -> None:
    assert place.blobs.read_mark(ORG) is None
    place.blobs.mark(ORG, Mark(1, bytes(32), MARK.database))
    place.blobs.mark(OTHER_ORG, Mark(2, bytes(32), MARK.database))
    place.blobs.mark(ORG, MARK)
    assert place.blobs.read_mark(ORG) == MARK
    digits = b"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    assert place.read(f"{ORG}/head") == b"7 " + digits + b" 0123456789abcdef\n"
    assert place.all_keys() == [f"{ORG}/head", f"{OTHER_ORG}/head"]


def test_a_mark_is_not_listed_as_content(place: Place) -> None:
    place.blobs.mark(ORG, MARK)
    assert list(place.blobs.list(ORG)) == []
    place.blobs.put(ORG, [b"content"])
    assert [blob.sha256 for blob in place.blobs.list(ORG)] == [content_of(b"content").sha256]
    place.blobs.delete(ORG, [content_of(b"content").sha256])
    assert place.blobs.read_mark(ORG) == MARK


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"7",
        b"7 00\n",
        MARK_TEXT.upper(),
        MARK_TEXT[:-1],
        MARK_TEXT + b"\n",
        b"0" + MARK_TEXT[1:],
        b"-" + MARK_TEXT,
        b"9" * 30 + MARK_TEXT,
        b"\xff" * 5_000,
    ],
    ids=repr,
)
def test_an_unreadable_mark_matches_no_log(place: Place, text: bytes) -> None:
    place.write(f"{ORG}/head", text)
    assert place.blobs.read_mark(ORG) == NO_LOGS_MARK
    place.blobs.mark(ORG, MARK)
    assert place.blobs.read_mark(ORG) == MARK
