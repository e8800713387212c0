"""A blob store lists, finds and deletes addresses, and keeps a mark."""

from datetime import UTC, datetime, timedelta

import pytest

from catactl.blobs.store import (
    NO_LOGS_MARK,
    Blob,
    BlobStore,
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
    RawStore,
    content_of,
    key,
    read,
)

# --- missing --------------------------------------------------------------------------------------


def test_content_that_is_absent_or_truncated_is_missing(raw_store: RawStore) -> None:
    kept = [raw_store.blobs.put(ORG, [b"%d" % number]) for number in range(12)]
    elsewhere = raw_store.blobs.put(OTHER_ORG, [b"elsewhere"])
    truncated = content_of(b"truncated")
    raw_store.write(key(b"truncated"), b"trunc")
    never = {content_of(b"never %d" % number) for number in range(12)}
    gone = {elsewhere, truncated, *never}
    assert raw_store.blobs.missing(ORG, [*kept, *gone]) == gone


def test_missing_accepts_any_number_of_contents(blobs: BlobStore) -> None:
    kept = blobs.put(ORG, [b"kept"])
    assert blobs.missing(ORG, []) == set()
    assert blobs.missing(ORG, [kept]) == set()
    assert blobs.missing(ORG, [content_of(b"gone")]) == {content_of(b"gone")}


# --- list -----------------------------------------------------------------------------------------


def test_blobs_are_listed_in_order_of_digest(blobs: BlobStore) -> None:
    contents = [blobs.put(ORG, [b"x" * number]) for number in range(40)]
    prefixes = {content.sha256[:2] for content in contents}
    assert len(prefixes) < len(contents), "no two lie in one folder"
    blobs.put(OTHER_ORG, [b"elsewhere"])
    listed = [Content(blob.sha256, blob.size_bytes) for blob in blobs.list(ORG)]
    assert listed == sorted(contents)


def test_a_listing_has_the_time_of_the_last_write(blobs: BlobStore) -> None:
    before = datetime.now(UTC)
    content = blobs.put(ORG, [b"now"])
    [blob] = blobs.list(ORG)
    assert blob == Blob(content.sha256, 0, content.size_bytes, blob.modified_at)
    # S3 has whole seconds, and the time of a file lags behind the clock by a tick.
    assert before - timedelta(seconds=1) <= blob.modified_at <= datetime.now(UTC)


def test_an_organization_without_content_lists_nothing(blobs: BlobStore) -> None:
    assert list(blobs.list(ORG)) == []
    blobs.put(OTHER_ORG, [b"elsewhere"])
    assert list(blobs.list(ORG)) == []


def test_foreign_files_are_not_listed_and_do_no_harm(raw_store: RawStore) -> None:
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
        raw_store.write(each, b"foreign")
    assert list(raw_store.blobs.list(ORG)) == []
    raw_store.blobs.put(ORG, [b"ours"])
    assert [blob.sha256 for blob in raw_store.blobs.list(ORG)] == [sha256]
    raw_store.blobs.delete(ORG, [sha256])
    raw_store.blobs.discard_abandoned(ORG)
    assert raw_store.all_keys() == sorted(foreign)


# --- delete ---------------------------------------------------------------------------------------


def test_deleting_removes_only_the_given_addresses(raw_store: RawStore) -> None:
    contents = [raw_store.blobs.put(ORG, [b"%d" % number]) for number in range(4)]
    raw_store.blobs.put(OTHER_ORG, [b"0"])
    raw_store.blobs.delete(ORG, [contents[0].sha256, contents[1].sha256])
    assert raw_store.blobs.missing(ORG, contents) == {contents[0], contents[1]}
    assert raw_store.all_keys() == sorted([key(b"0", OTHER_ORG), key(b"2"), key(b"3")])


def test_deleting_an_absent_blob_is_not_an_error(raw_store: RawStore) -> None:
    raw_store.blobs.delete(ORG, [NOWHERE])
    kept, gone = raw_store.blobs.put(ORG, [b"kept"]), raw_store.blobs.put(ORG, [b"gone"])
    raw_store.blobs.delete(ORG, [gone.sha256])
    raw_store.blobs.delete(ORG, [NOWHERE, gone.sha256])
    raw_store.blobs.delete(ORG, [])
    assert raw_store.blobs.missing(ORG, [kept, gone]) == {gone}


def test_deleted_content_can_be_stored_again(raw_store: RawStore) -> None:
    content = raw_store.blobs.put(ORG, [b"again"])
    raw_store.blobs.delete(ORG, [content.sha256])
    assert raw_store.blobs.put(ORG, [b"again"]) == content
    assert raw_store.read(key(b"again")) == b"again"


# --- generations ----------------------------------------------------------------------------------


def test_each_generation_has_its_own_address(raw_store: RawStore) -> None:
    sha256 = content_of(b"again").sha256
    for generation in (0, 1, 2, 10):
        content = raw_store.blobs.put(ORG, [b"again"], {sha256: generation, NOWHERE: 7})
        assert content == content_of(b"again", generation)
        assert content.address == (f"{sha256}.{generation}" if generation else sha256)
        assert raw_store.read(key(b"again", generation=generation)) == b"again"
        assert read(raw_store.blobs.open(ORG, content.address)) == b"again"
        assert raw_store.blobs.locate(ORG, content.address).endswith(
            key(b"again", generation=generation)
        )
    assert raw_store.blobs.put(ORG, [b"other"], {sha256: 1}) == content_of(b"other")
    assert len(raw_store.all_keys()) == 5


def test_generations_are_missing_and_deleted_independently(raw_store: RawStore) -> None:
    sha256 = content_of(b"again").sha256
    there = [raw_store.blobs.put(ORG, [b"again"], {sha256: number}) for number in range(3)]
    later = content_of(b"again", 3)
    assert raw_store.blobs.missing(ORG, [*there, later]) == {later}
    raw_store.blobs.delete(ORG, [there[0].address, there[2].address, later.address])
    assert raw_store.blobs.missing(ORG, [*there, later]) == {there[0], there[2], later}
    assert raw_store.all_keys() == [key(b"again", generation=1)]
    with pytest.raises(ContentMissing) as caught:
        next(raw_store.blobs.open(ORG, there[2].address))
    assert raw_store.blobs.locate(ORG, there[2].address) in caught.value.message


def test_damaged_content_is_replaced_only_in_its_generation(raw_store: RawStore) -> None:
    sha256 = content_of(b"content").sha256
    raw_store.write(key(b"content"), b"contenT")
    raw_store.write(key(b"content", generation=1), b"c")
    assert raw_store.blobs.put(ORG, [b"content"], {sha256: 1}) == content_of(b"content", 1)
    assert raw_store.read(key(b"content", generation=1)) == b"content"
    assert raw_store.read(key(b"content")) == b"contenT"


def test_a_listing_in_order_of_digest_keeps_the_generations_of_a_digest_together(
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


# --- marks ----------------------------------------------------------------------------------------


def test_a_mark_replaces_the_mark_before_it(raw_store: RawStore) -> None:
    assert raw_store.blobs.read_mark(ORG) is None
    raw_store.blobs.mark(ORG, Mark(1, bytes(32), MARK.database))
    raw_store.blobs.mark(OTHER_ORG, Mark(2, bytes(32), MARK.database))
    raw_store.blobs.mark(ORG, MARK)
    assert raw_store.blobs.read_mark(ORG) == MARK
    digits = b"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    assert raw_store.read(f"{ORG}/head") == b"7 " + digits + b" 0123456789abcdef\n"
    assert raw_store.all_keys() == [f"{ORG}/head", f"{OTHER_ORG}/head"]


def test_a_mark_is_not_listed_as_content(raw_store: RawStore) -> None:
    raw_store.blobs.mark(ORG, MARK)
    assert list(raw_store.blobs.list(ORG)) == []
    raw_store.blobs.put(ORG, [b"content"])
    assert [blob.sha256 for blob in raw_store.blobs.list(ORG)] == [content_of(b"content").sha256]
    raw_store.blobs.delete(ORG, [content_of(b"content").sha256])
    assert raw_store.blobs.read_mark(ORG) == MARK


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
def test_an_unreadable_mark_matches_no_log(raw_store: RawStore, text: bytes) -> None:
    raw_store.write(f"{ORG}/head", text)
    assert raw_store.blobs.read_mark(ORG) == NO_LOGS_MARK
    raw_store.blobs.mark(ORG, MARK)
    assert raw_store.blobs.read_mark(ORG) == MARK
