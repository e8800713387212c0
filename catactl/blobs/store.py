"""What a place for content can do.

Content is addressed by its SHA-256 below the organization's own folder: `ORG_ID/ab/abcd…`, in a
directory as in a bucket, so that one can be copied to the other. Content of a digest that was swept
before has a generation as well, `abcd….1`: an address that was given up is never used again. It is
written whole or not at all: nothing half-written ever has a final name. It does not roll back with
a transaction; so it is made safe before an event may point at it, and removed only after an event
has given it up. `ORG_ID/head` holds the mark of the log that recorded content last.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol
from uuid import UUID

Chunk = bytes | bytearray | memoryview

CHUNK_BYTES = 1024 * 1024
FIRST: Mapping[str, int] = MappingProxyType({})
_MARK = re.compile(
    rb"(?P<position>[1-9][0-9]{0,17}) (?P<hash>[0-9a-f]{64}) (?P<database>[0-9a-f]{16})\n"
)
_ADDRESS = re.compile(r"(?P<sha256>[0-9a-f]{64})(?:\.(?P<generation>[1-9][0-9]{0,8}))?", re.ASCII)


class Content(NamedTuple):
    """What identifies content. `sha256` is 64 lower-case hexadecimal digits."""

    sha256: str
    size_bytes: int
    generation: int = 0

    @property
    def address(self) -> str:
        return address_of(self.sha256, self.generation)

    def has_bytes_of(self, other: "Content") -> bool:
        return (self.sha256, self.size_bytes) == (other.sha256, other.size_bytes)


class Blob(NamedTuple):
    """Content that is there, and since when."""

    sha256: str
    generation: int
    size_bytes: int
    modified_at: datetime

    @property
    def address(self) -> str:
        return address_of(self.sha256, self.generation)


class Mark(NamedTuple):
    """A position of a log and the hash of the event at that position. Only this log holds both, and
    copies of it that have reached the position. `database` names the database that left the mark.
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
        """Return the mark that a text holds; return `NO_LOGS_MARK` for any other text."""
        match = _MARK.fullmatch(text)
        if match is None:
            return NO_LOGS_MARK
        hash_ = bytes.fromhex(match["hash"].decode())
        return cls(int(match["position"]), hash_, match["database"].decode())


# Replaces the marks of several logs that recorded content, and a mark that cannot be read.
NO_LOGS_MARK = Mark(-1, b"", "")


class BlobStore(Protocol):
    """Safe to use from several threads at once.

    Raises `ContentUnreachable` when the place cannot be had or is full, `Forbidden`,
    `BadConfiguration`.
    """

    def put(
        self, org_id: UUID, chunks: Iterable[Chunk], generations: Mapping[str, int] = FIRST
    ) -> Content:
        """Store what the chunks hold and return what it was, once it is safe.

        `generations` says which one a digest is in; 0 if it says nothing. Chunks are read one at a
        time. What is there already under the address stays if it is whole.
        """

    def open(self, org_id: UUID, address: str) -> Iterator[Chunk]:
        """Yield content a chunk at a time; each is valid until the next is asked for.

        Raises `ContentMissing`. Whether the digest holds is for the reader to check.
        """

    def missing(self, org_id: UUID, contents: Collection[Content]) -> set[Content]:
        """Return those that are not there in their full size."""

    def list(self, org_id: UUID) -> Iterator[Blob]:
        """Yield an organization's content in order of its address."""

    def delete(self, org_id: UUID, addresses: Collection[str]) -> None:
        """Remove content; what is gone already is no error."""

    def mark(self, org_id: UUID, mark: Mark) -> None:
        """Replace an organization's mark atomically, and return once it is durable."""

    def read_mark(self, org_id: UUID) -> Mark | None:
        """Return an organization's mark, or None."""

    def discard_abandoned(self, org_id: UUID) -> int:
        """Remove what writers that were killed left unfinished; return how many there were."""

    def locate(self, org_id: UUID, address: str) -> str:
        """Where content lies, for people."""


class Measure:
    """Measures content while another function reads it, in one or several series of chunks."""

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
        """Return the size and digest of all chunks so far."""
        return Content(self._digest.hexdigest(), self._size_bytes)


def measure(chunks: Iterable[Chunk]) -> Content:
    """Return what the chunks hold, keeping nothing of it."""
    measure = Measure()
    for _ in measure.passing(chunks):
        pass
    return measure.content


def is_whole(blobs: BlobStore, org_id: UUID, content: Content) -> bool:
    """Whether stored content is what its digest says; raise `ContentMissing` if it is not there."""
    return measure(blobs.open(org_id, content.address)).has_bytes_of(content)


def address_of(sha256: str, generation: int) -> str:
    """Storage format."""
    return f"{sha256}.{generation}" if generation else sha256


def parse_address(name: str) -> tuple[str, int] | None:
    """Return the digest and the generation, None if the name is no address."""
    match = _ADDRESS.fullmatch(name)
    return (match["sha256"], int(match["generation"] or 0)) if match is not None else None


def key_of(org_id: UUID, address: str) -> str:
    """The relative path of content. Storage format."""
    return f"{org_id}/{address[:2]}/{address}"


def mark_key_of(org_id: UUID) -> str:
    """Return the relative path of an organization's mark. Storage format."""
    return f"{org_id}/head"
