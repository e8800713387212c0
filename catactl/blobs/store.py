"""What a place for content can do.

Content is addressed by its SHA-256 below the organization's own folder: `ORG_ID/ab/abcd…`, in a
directory as in a bucket, so that one can be copied to the other. It is written whole or not at all:
nothing half-written ever has a final name. It does not roll back with a transaction; so it is made
safe before an event may point at it, and removed only under the lock of its organization's log.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

Chunk = bytes | bytearray | memoryview

CHUNK_BYTES = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Content(NamedTuple):
    """What identifies content. `sha256` is 64 lower-case hexadecimal digits."""

    sha256: str
    size_bytes: int


class Blob(NamedTuple):
    """Content that is there, and since when."""

    sha256: str
    size_bytes: int
    modified_at: datetime


class BlobStore(Protocol):
    """Safe to use from several threads at once.

    Raises `ContentUnreachable` when the place cannot be had or is full, `Forbidden`,
    `BadConfiguration`.
    """

    def put(self, org_id: UUID, chunks: Iterable[Chunk]) -> Content:
        """Store what the chunks hold and return what it was, once it is safe.

        Chunks are read one at a time. What is there already under the digest stays if it is whole.
        """

    def open(self, org_id: UUID, sha256: str) -> Iterator[Chunk]:
        """Yield content a chunk at a time; each is valid until the next is asked for.

        Raises `ContentMissing`. Whether the digest holds is for the reader to check.
        """

    def missing(self, org_id: UUID, contents: Collection[Content]) -> set[Content]:
        """Return those that are not there in their full size."""

    def list(self, org_id: UUID) -> Iterator[Blob]:
        """Yield an organization's content in order of its digest."""

    def delete(self, org_id: UUID, digests: Collection[str]) -> None:
        """Remove content; what is gone already is no error."""

    def discard_abandoned(self, org_id: UUID) -> int:
        """Remove what writers that were killed left unfinished; return how many there were."""

    def locate(self, org_id: UUID, sha256: str) -> str:
        """Where content lies, for people."""


def measure(chunks: Iterable[Chunk]) -> Content:
    """Return what the chunks hold, keeping nothing of it."""
    digest = hashlib.sha256()
    size_bytes = 0
    for chunk in chunks:
        digest.update(chunk)
        size_bytes += len(chunk)
    return Content(digest.hexdigest(), size_bytes)


def is_whole(blobs: BlobStore, org_id: UUID, content: Content) -> bool:
    """Whether stored content is what its digest says; raise `ContentMissing` if it is not there."""
    return measure(blobs.open(org_id, content.sha256)) == content


def key_of(org_id: UUID, sha256: str) -> str:
    """The relative path of content. Storage format."""
    return f"{org_id}/{sha256[:2]}/{sha256}"


def is_digest(name: str) -> bool:
    return _SHA256.fullmatch(name) is not None
