"""Find the content that the log refers to, from the events alone.

Stored rows may be lost, but content must not be. A part refers to its content from the event that
uploaded it until another upload replaces the part, or until its file was deleted and its content
swept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Boolean, Connection, Engine, Select, Text, func, select

from catactl.blobs.store import Blob, Generations
from catactl.domain.decider import fold
from catactl.domain.file import (
    File,
    FileContentSwept,
    FileCreated,
    FileDeleted,
    FileRestored,
    PartUploaded,
)
from catactl.domain.organization import OrganizationDeleted
from catactl.errors import CorruptLog
from catactl.projections.swept_content import generations
from catactl.queries.rows import stream_rows
from catactl.store import event_log
from catactl.store.codec import EVENT_NAMES
from catactl.store.effective_time import effective_at, limits_of
from catactl.store.latest_event import latest_event
from catactl.store.sql.engine import reading
from catactl.store.sql.functions import payload_field
from catactl.store.tables import events, logs
from catactl.wiring.flow import FILE

_IN_MEMORY_BYTES = 4 * 1024 * 1024  # so that a sweep needs no disk while the disk is full
_PART_UPLOADED = EVENT_NAMES[PartUploaded]
_CONTENT_SWEPT = EVENT_NAMES[FileContentSwept]
_DELETED = EVENT_NAMES[FileDeleted]
_LIFECYCLE_EVENTS = (EVENT_NAMES[FileCreated], _DELETED, EVENT_NAMES[FileRestored])


class Reference(NamedTuple):
    """A part, and the content that it refers to."""

    sha256: str
    size_bytes: int
    file_id: UUID
    number: int


class Snapshot(NamedTuple):
    """A position of the log, all references at that position in order of digest, and the
    generations of the content.
    """

    position: int
    references: Iterator[Reference]
    generations: Generations


@contextmanager
def snapshot(
    engine: Engine, org_id: UUID, before: datetime, *, as_if_swept: bool = False
) -> Iterator[Snapshot]:
    """Yield the content that the log of an organization refers to. An organization that was deleted
    before that time refers to nothing. With `as_if_swept`, files that were deleted before that time
    refer to nothing.

    A long list is kept in a temporary file, because reading content takes hours, and a transaction
    should not stay open for that long.
    """
    with SpooledTemporaryFile(_IN_MEMORY_BYTES, "w+", encoding="ascii") as spool:
        with reading(engine) as conn:
            position = conn.execute(select(logs.c.position).where(logs.c.org_id == org_id)).scalar()
            if position is None:
                message = f"the log of organization {org_id} has lost its head"
                raise CorruptLog(message, "catactl event verify")
            current = generations(conn, org_id)
            if not is_organization_deleted(conn, org_id, before):
                without_deleted = before if as_if_swept else None
                for reference in _references(conn, org_id, without_deleted):
                    spool.write("\t".join(map(str, reference)) + "\n")
        spool.seek(0)
        yield Snapshot(position, map(_parse, spool), current)


class DigestEntry(NamedTuple):
    """A digest, its references, and its blobs of all generations."""

    sha256: str
    references: list[Reference]
    blobs: list[Blob]

    def blob(self, generation: int) -> Blob | None:
        return next((blob for blob in self.blobs if blob.generation == generation), None)

    def is_referred_to(self, blob: Blob, generations: Generations) -> bool:
        """Return whether the references mean this blob and not a later generation."""
        return bool(self.references) and blob.generation >= generations.get(self.sha256, 0)


def merge_by_digest(
    references: Iterator[Reference], blobs: Iterator[Blob]
) -> Iterator[DigestEntry]:
    """Merge references and blobs. Both must be in order of digest."""
    reference, blob = next(references, None), next(blobs, None)
    while reference is not None or blob is not None:
        sha256 = min(each.sha256 for each in (reference, blob) if each is not None)
        entry = DigestEntry(sha256, [], [])
        while reference is not None and reference.sha256 == sha256:
            entry.references.append(reference)
            reference = next(references, None)
        while blob is not None and blob.sha256 == sha256:
            entry.blobs.append(blob)
            blob = next(blobs, None)
        yield entry


def _parse(line: str) -> Reference:
    sha256, size_bytes, file_id, number = line.split("\t")
    return Reference(sha256, int(size_bytes), UUID(file_id), int(number))


def _references(
    conn: Connection, org_id: UUID, without_deleted: datetime | None
) -> Iterator[Reference]:
    """Yield all references, except those of files that were deleted before a time."""
    of_organization = events.c.org_id == org_id
    number = payload_field(events.c.payload, "number")
    part = latest_event(
        [events.c.stream_id, number],
        events.c.stream_id,
        number.label("number"),
        payload_field(events.c.payload, "size_bytes").label("size_bytes"),
        payload_field(events.c.payload, "sha256", Text()).label("sha256"),
        payload_field(events.c.payload, "stored", Boolean()).label("stored"),
        where=of_organization & (events.c.type == _PART_UPLOADED),
    )
    query = (
        select(part.c.sha256, part.c.size_bytes, part.c.stream_id, part.c.number)
        .where(part.c.stored, part.c.stream_id.not_in(_swept(org_id)))
        .order_by(part.c.sha256)
    )
    if without_deleted is not None:
        deleted = _deleted_before(conn, org_id, without_deleted)
        query = query.where(part.c.stream_id.not_in(deleted))
    for row in stream_rows(conn, query):
        yield Reference(row["sha256"], row["size_bytes"], row["stream_id"], row["number"])


def _swept(org_id: UUID) -> Select[tuple[UUID]]:
    """Return the query for the files whose content was swept."""
    return select(events.c.stream_id).where(
        events.c.org_id == org_id, events.c.type == _CONTENT_SWEPT
    )


def _deleted_before(conn: Connection, org_id: UUID, moment: datetime) -> Select[tuple[UUID]]:
    """Return the query for the files that were deleted before a time and not restored."""
    latest = latest_event(
        [events.c.stream_id],
        events.c.stream_id,
        events.c.type,
        effective_at(limits_of(conn, org_id)).label("moment"),
        where=(events.c.org_id == org_id) & events.c.type.in_(_LIFECYCLE_EVENTS),
    )
    return select(latest.c.stream_id).where(latest.c.type == _DELETED, latest.c.moment <= moment)


def files_to_sweep(conn: Connection, org_id: UUID, deleted_before: datetime) -> list[UUID]:
    """Return the files that were deleted before a time and whose content was not swept yet."""
    deleted = _deleted_before(conn, org_id, deleted_before).subquery()
    query = select(deleted.c.stream_id).where(deleted.c.stream_id.not_in(_swept(org_id)))
    return list(conn.execute(query).scalars())


def deleted_at(conn: Connection, org_id: UUID, file_id: UUID) -> datetime | None:
    """Return the time at which a file was last deleted."""
    moment: datetime | None = conn.execute(
        select(func.max(effective_at(limits_of(conn, org_id)))).where(
            events.c.org_id == org_id, events.c.stream_id == file_id, events.c.type == _DELETED
        )
    ).scalar()
    return moment


def is_organization_deleted(conn: Connection, org_id: UUID, before: datetime) -> bool:
    """Return whether an organization was deleted before a time. It can never be restored."""
    deleted = conn.execute(
        select(events.c.position).where(
            events.c.org_id == org_id,
            events.c.stream_id == org_id,
            events.c.type == EVENT_NAMES[OrganizationDeleted],
            effective_at(limits_of(conn, org_id)) <= before,
        )
    ).scalar()
    return deleted is not None


def digests_uploaded_since(conn: Connection, org_id: UUID, position: int) -> set[str]:
    """Return the digests of the parts that were uploaded after a position of the log."""
    return set(
        conn.execute(
            select(payload_field(events.c.payload, "sha256", Text())).where(
                events.c.org_id == org_id,
                events.c.position > position,
                events.c.type == _PART_UPLOADED,
            )
        ).scalars()
    )


def file_in_log(conn: Connection, org_id: UUID, file_id: UUID) -> File | None:
    """Return the state of a file from its events, without its stored row."""
    recorded = event_log.read_stream(conn, org_id, file_id)
    state: File | None = fold(FILE.decider, None, (each.event for each in recorded))
    return state
