"""A blob store stores and returns content, on a local directory and on a real S3 server."""

import errno
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from catactl.blobs.store import (
    CHUNK_BYTES,
    BlobStore,
    Chunk,
    Content,
)
from catactl.errors import ContentMissing
from tests.blobs.support import (
    ORG,
    OTHER_ORG,
    Folder,
    RawStore,
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
def test_content_is_stored_under_its_digest(raw_store: RawStore, size_bytes: int) -> None:
    raw = pattern(size_bytes)
    assert raw_store.blobs.put(ORG, cut(raw)) == content_of(raw)
    assert raw_store.all_keys() == [key(raw)]
    assert raw_store.read(key(raw)) == raw
    assert read(raw_store.blobs.open(ORG, content_of(raw).sha256)) == raw


def test_empty_content_has_the_known_digest(blobs: BlobStore) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert blobs.put(ORG, []) == Content(empty, 0)
    assert blobs.missing(ORG, [Content(empty, 0)]) == set()
    assert read(blobs.open(ORG, empty)) == b""


def test_chunks_may_have_any_type_and_size(raw_store: RawStore) -> None:
    chunks: list[Chunk] = [b"", b"ab", bytearray(b"c"), memoryview(b"xdefx")[1:4], b"", b"g"]
    assert raw_store.blobs.put(ORG, chunks) == content_of(b"abcdefg")
    assert raw_store.read(key(b"abcdefg")) == b"abcdefg"


def test_opening_missing_content_raises_an_error_with_its_place(blobs: BlobStore) -> None:
    blobs.put(ORG, [b"another"])
    blobs.put(OTHER_ORG, [b"here"])
    sha256 = content_of(b"here").sha256
    with pytest.raises(ContentMissing) as caught:
        next(blobs.open(ORG, sha256))
    assert blobs.locate(ORG, sha256) in caught.value.message


def test_a_reader_may_stop_before_the_end(blobs: BlobStore) -> None:
    raw = pattern(3 * CHUNK_BYTES)
    sha256 = blobs.put(ORG, cut(raw)).sha256
    chunks = blobs.open(ORG, sha256)
    first = bytes(next(chunks))
    assert raw.startswith(first)
    assert first
    del chunks
    assert read(blobs.open(ORG, sha256)) == raw


def test_the_place_of_a_blob_is_shown_as_users_would_write_it(raw_store: RawStore) -> None:
    root = str(raw_store.root) if isinstance(raw_store, Folder) else raw_store.url
    assert raw_store.blobs.locate(ORG, content_of(b"1").sha256) == f"{root}/{key(b'1')}"


# --- storing again --------------------------------------------------------------------------------


def test_the_same_content_is_stored_once(raw_store: RawStore) -> None:
    raw = pattern(CHUNK_BYTES + 1)
    assert raw_store.blobs.put(ORG, cut(raw)) == raw_store.blobs.put(ORG, cut(raw, 1_000))
    assert raw_store.all_keys() == [key(raw)]


def test_the_same_content_is_stored_once_an_organization(raw_store: RawStore) -> None:
    for org_id in (OTHER_ORG, ORG):
        raw_store.blobs.put(org_id, [b"shared"])
    assert raw_store.all_keys() == [key(b"shared", ORG), key(b"shared", OTHER_ORG)]


@pytest.mark.parametrize(
    "damaged",
    [b"", b"contenT", b"conten", b"content!"],
    ids=["empty", "changed", "truncated", "longer"],
)
def test_damaged_content_is_replaced_when_it_is_stored_again(
    raw_store: RawStore, damaged: bytes
) -> None:
    raw_store.write(key(b"content"), damaged)
    assert raw_store.blobs.put(ORG, [b"content"]) == content_of(b"content")
    assert raw_store.all_keys() == [key(b"content")]
    assert raw_store.read(key(b"content")) == b"content"


def test_content_with_a_flipped_bit_in_a_late_chunk_is_replaced(folder: Folder) -> None:
    raw = pattern(2 * CHUNK_BYTES + 5)
    folder.write(key(raw), raw[:-1] + bytes([raw[-1] ^ 1]))
    folder.blobs.put(ORG, cut(raw))
    assert folder.read(key(raw)) == raw


# --- errors of the chunks -------------------------------------------------------------------------


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
def test_an_error_of_the_chunks_leaves_nothing_and_passes_unchanged(
    raw_store: RawStore, error: BaseException, already: int
) -> None:
    with pytest.raises(type(error)) as caught:
        raw_store.blobs.put(ORG, _broken(already, error))
    assert caught.value is error
    assert raw_store.all_keys() == []


def _broken(already: int, error: BaseException) -> Iterator[Chunk]:
    chunk = bytes(CHUNK_BYTES)
    yield from (chunk[: already - start] for start in range(0, already, CHUNK_BYTES))
    raise error


def test_an_error_of_a_vanished_source_passes_unchanged(raw_store: RawStore) -> None:
    with pytest.raises(FileNotFoundError, match="the source"):
        raw_store.blobs.put(ORG, _broken(1, FileNotFoundError(errno.ENOENT, "the source is gone")))


def test_an_error_of_the_chunks_keeps_other_content(raw_store: RawStore) -> None:
    raw_store.blobs.put(ORG, [b"kept"])
    with pytest.raises(ZeroDivisionError):
        raw_store.blobs.put(ORG, (bytes([1 // each]) for each in (1, 0)))
    assert raw_store.all_keys() == [key(b"kept")]


# --- threads --------------------------------------------------------------------------------------


def test_threads_that_store_the_same_content_at_once_store_it_once(raw_store: RawStore) -> None:
    raw = pattern(CHUNK_BYTES + 1)
    threads = 6
    start = threading.Barrier(threads)

    def put(_: int) -> Content:
        start.wait()
        return raw_store.blobs.put(ORG, cut(raw, 300_000))

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(3):
            assert set(pool.map(put, range(threads))) == {content_of(raw)}
            assert raw_store.all_keys() == [key(raw)]
            assert raw_store.read(key(raw)) == raw
            raw_store.blobs.delete(ORG, [content_of(raw).sha256])


def test_threads_may_put_read_and_delete_at_once(raw_store: RawStore) -> None:
    """Readers see content complete or absent, whatever writers and sweeps do."""
    raw = pattern(50_000)
    sha256 = content_of(raw).sha256
    threads = 4
    start = threading.Barrier(threads)

    def use(number: int) -> None:
        start.wait()
        for turn in range(8):
            if (number + turn) % 4 == 0:
                raw_store.blobs.delete(ORG, [sha256])
            raw_store.blobs.put(ORG, cut(raw, 20_000))
            with suppress(ContentMissing):
                assert read(raw_store.blobs.open(ORG, sha256)) == raw
            assert {blob.size_bytes for blob in raw_store.blobs.list(ORG)} <= {len(raw)}

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(use, range(threads)))
    assert raw_store.all_keys() in ([], [key(raw)])


def test_content_can_be_copied_from_one_organization_to_another(raw_store: RawStore) -> None:
    raw = pattern(2 * CHUNK_BYTES + 1)
    sha256 = raw_store.blobs.put(ORG, cut(raw)).sha256
    raw_store.blobs.put(OTHER_ORG, raw_store.blobs.open(ORG, sha256))
    assert raw_store.read(key(raw, OTHER_ORG)) == raw
