"""Parts whose content is in the blob store, and the check that it is still there.

An event never refers to absent content. An upload stores the content first. Then, in the
transaction that records the content and under the lock of the organization's log, it checks that
the content is there, at an address that no sweep has swept. Otherwise it stores the content again.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import BlobStore, Content, address_of
from catactl.domain.parts import Part
from catactl.errors import CatactlError
from catactl.projections.swept_content import generations


class StoredPart(NamedTuple):
    """A part whose content is durable. `offset` is its place in the source. `skipped` is true if
    both the log and the blob store had it before.
    """

    part: Part
    skipped: bool
    offset: int = 0


class ContentGone(Exception):
    """Content that was stored is missing or was swept before it was recorded.

    `generations` maps each swept digest to the generation in which its content is stored again.
    """

    def __init__(self, digests: set[str], generations: Mapping[str, int]) -> None:
        super().__init__(f"{len(digests)} blobs are gone")
        self.digests = digests
        self.generations = generations

    def delete_swept(self, blobs: BlobStore, org_id: UUID) -> None:
        """Remove content that was stored at swept addresses, because no event will refer to it."""
        swept = [
            address_of(sha256, generation)
            for sha256 in self.digests
            for generation in range(self.generations.get(sha256, 0))
        ]
        with suppress(CatactlError):  # otherwise the next sweep removes it
            blobs.delete(org_id, swept)


def check_stored(conn: Connection, blobs: BlobStore, org_id: UUID, parts: Collection[Part]) -> None:
    """Raise `ContentGone` unless the content of all parts is in the store, at addresses that no
    sweep has swept. Call it under the organization's lock.
    """
    current = generations(conn, org_id, {part.sha256 for part in parts})
    gone = blobs.missing(org_id, {content_of(part, current) for part in parts})
    if gone:
        raise ContentGone({content.sha256 for content in gone}, current)


def stored_part(number: int, content: Content) -> Part:
    return Part(number, content.size_bytes, content.sha256, stored=True)


def content_of(part: Part, generations: Mapping[str, int]) -> Content:
    return Content(part.sha256, part.size_bytes, generations.get(part.sha256, 0))
