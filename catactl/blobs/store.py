"""The interface of a blob store.

A blob lies below the folder of its organization, under the SHA-256 of its content:
`ORG_ID/ab/abcd…`. Directories and buckets have the same layout, so one can be copied to the other.
If a sweep removed content of that digest before, the address has a generation as well: `abcd….1`.
A swept address is never used again. A blob is either complete or absent.

Content does not roll back with a transaction. Therefore a blob is durable before an event refers to
it, and is removed only after an event has swept its address. `ORG_ID/head` holds the mark of the
log that recorded content last.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol
from uuid import UUID

Chunk = bytes | bytearray | memoryview
Generations = Mapping[str, int]

CHUNK_BYTES = 1024 * 1024
NO_GENERATIONS: Generations = MappingProxyType({})
_MARK = re.compile(
    rb"(?P<position>[1-9][0-9]{0,17}) (?P<hash>[0-9a-f]{64}) (?P<database>[0-9a-f]{16})\n"
)
_ADDRESS = re.compile(r"(?P<sha256>[0-9a-f]{64})(?:\.(?P<generation>[1-9][0-9]{0,8}))?", re.ASCII)


class Content(NamedTuple):
    """The identity of content. `sha256` is 64 lower-case hexadecimal digits."""

    sha256: str
    size_bytes: int
    generation: int = 0

    @property
    def address(self) -> str:
        return address_of(self.sha256, self.generation)

    def has_same_bytes(self, other: "Content") -> bool:
        return (self.sha256, self.size_bytes) == (other.sha256, other.size_bytes)


class Blob(NamedTuple):
    """Content in a blob store."""

    sha256: str
    generation: int
    size_bytes: int
    modified_at: datetime

    @property
    def address(self) -> str:
        return address_of(self.sha256, self.generation)


class Mark(NamedTuple):
    """A position of a log and the hash of the event at that position. Only this log and its copies
    that have reached the position hold both. `database` names the database that left the mark.
    """

    position: int
    hash: bytes
    database: str

    @property
    def text(self) -> str:
        """Return the mark as it is stored: the position in decimal, the hash in hexadecimal and the
        database's name, separated by spaces, then a newline. This is a storage format.
        """
        return f"{self.position} {self.hash.hex()} {self.database}\n"

    @classmethod
    def parse(cls, text: bytes) -> "Mark":
        """Return the mark that a text contains; return `NO_LOGS_MARK` for any other text."""
        match = _MARK.fullmatch(text)
        if match is None:
            return NO_LOGS_MARK
        digest = bytes.fromhex(match["hash"].decode())
        return cls(int(match["position"]), digest, match["database"].decode())


# Replaces the marks of several logs that recorded content, and a mark that cannot be read.
NO_LOGS_MARK = Mark(-1, b"", "")


class BlobStore(Protocol):
    """A store of blobs. Several threads can use it at once.

    Every method raises `ContentUnreachable` if the store is unreachable or full, `Forbidden` and
    `BadConfiguration`.
    """

    def put(
        self, org_id: UUID, chunks: Iterable[Chunk], generations: Generations = NO_GENERATIONS
    ) -> Content:
        """Store the chunks as one blob, and return its content once it is durable.

        `generations` maps digests to generations; a digest that it does not contain has generation
        0. The store reads one chunk at a time. An undamaged blob at the address stays unchanged.
        """

    def open(self, org_id: UUID, address: str) -> Iterator[Chunk]:
        """Yield the chunks of a blob. Each chunk is valid until the next one.

        Raises `ContentMissing`. The caller must compare the digest.
        """

    def missing(self, org_id: UUID, contents: Collection[Content]) -> set[Content]:
        """Return the contents that the store does not have in full size."""

    def list(self, org_id: UUID) -> Iterator[Blob]:
        """Yield the blobs of an organization in order of address."""

    def delete(self, org_id: UUID, addresses: Collection[str]) -> None:
        """Remove blobs. An address without a blob is not an error."""

    def mark(self, org_id: UUID, mark: Mark) -> None:
        """Replace an organization's mark atomically, and return once it is durable."""

    def read_mark(self, org_id: UUID) -> Mark | None:
        """Return an organization's mark, or None."""

    def discard_abandoned(self, org_id: UUID) -> int:
        """Remove the unfinished files of killed writers. Return their number."""

    def locate(self, org_id: UUID, address: str) -> str:
        """Return the location of a blob in the form that users write."""


class Measure:
    """Computes the size and digest of content while another function reads it, in one or several
    series of chunks.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    def passing(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks unchanged."""
        for chunk in chunks:
            self._digest.update(chunk)
            self._size_bytes += len(chunk)
            yield chunk

    @property
    def content(self) -> Content:
        """The size and digest of all chunks so far."""
        return Content(self._digest.hexdigest(), self._size_bytes)


def measure(chunks: Iterable[Chunk]) -> Content:
    """Return the size and digest of the chunks, without keeping them."""
    measure = Measure()
    for _ in measure.passing(chunks):
        pass
    return measure.content


def is_undamaged(blobs: BlobStore, org_id: UUID, content: Content) -> bool:
    """Return whether a blob has its size and digest. Raise `ContentMissing` if it is absent."""
    return measure(blobs.open(org_id, content.address)).has_same_bytes(content)


def address_of(sha256: str, generation: int) -> str:
    """Return the address of content. This is a storage format."""
    return f"{sha256}.{generation}" if generation else sha256


def parse_address(name: str) -> tuple[str, int] | None:
    """Return the digest and generation of an address; None for any other name."""
    match = _ADDRESS.fullmatch(name)
    return (match["sha256"], int(match["generation"] or 0)) if match is not None else None


def key_of(org_id: UUID, address: str) -> str:
    """Return the relative path of a blob. This is a storage format."""
    return f"{org_id}/{address[:2]}/{address}"


def mark_key_of(org_id: UUID) -> str:
    """Return the relative path of the mark of an organization. This is a storage format."""
    return f"{org_id}/head"
