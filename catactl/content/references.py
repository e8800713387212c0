"""What content the log refers to, from the events alone: a stored row may be lost, content may not.

A part refers to its content from the event that uploaded it until another replaces it, or until its
file, deleted, had its content given up.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Boolean, Connection, Engine, Select, Text, func, select

from catactl.blobs.store import Blob
from catactl.domain.decider import fold
from catactl.domain.file import File
from catactl.errors import CorruptLog
from catactl.projections.swept_content import generations
from catactl.queries.resources import stream
from catactl.store import event_log
from catactl.store.effective_time import effective_at, limits_of
from catactl.store.latest_event import latest_event
from catactl.store.sql.engine import reading
from catactl.store.sql.functions import payload_field
from catactl.store.tables import events, logs
from catactl.wiring.flow import FILE

_IN_MEMORY_BYTES = 4 * 1024 * 1024  # memory, so that a sweep works while the disk is full
_PART_UPLOADED = "file.part_uploaded"
_CONTENT_SWEPT = "file.content_swept"
_LIVES = ("file.created", "file.deleted", "file.restored")


class Reference(NamedTuple):
    """A part, and the content it refers to."""

    sha256: str
    size_bytes: int
    file_id: UUID
    number: int


class Snapshot(NamedTuple):
    """Where the log stood, all references then, in order of the digest, and the generations that
    content is in.
    """

    position: int
    references: Iterator[Reference]
    generations: Mapping[str, int]


@contextmanager
def snapshot(
    engine: Engine, org_id: UUID, before: datetime, *, as_if_given_up: bool = False
) -> Iterator[Snapshot]:
    """Yield the content that an organization's log refers to; nothing if the organization was
    deleted by then.

    A long list is kept in a temporary file, because reading content takes hours, and a database
    should not keep a transaction open for that long. `as_if_given_up` leaves out files that were
    deleted by then, as if their content had been given up already.
    """
    with SpooledTemporaryFile(_IN_MEMORY_BYTES, "w+", encoding="ascii") as spool:
        with reading(engine) as conn:
            position = conn.execute(select(logs.c.position).where(logs.c.org_id == org_id)).scalar()
            if position is None:
                message = f"the log of organization {org_id} has lost its head"
                raise CorruptLog(message, "catactl event verify")
            now_in = generations(conn, org_id)
            if not is_organization_deleted(conn, org_id, before):
                given_up_before = before if as_if_given_up else None
                for reference in _references(conn, org_id, given_up_before):
                    spool.write("\t".join(map(str, reference)) + "\n")
        spool.seek(0)
        yield Snapshot(position, map(_parse, spool), now_in)


class Pair(NamedTuple):
    """A digest: what refers to it, and what is there, in any generation."""

    sha256: str
    references: list[Reference]
    blobs: list[Blob]

    def blob(self, generation: int) -> Blob | None:
        return next((blob for blob in self.blobs if blob.generation == generation), None)


def side_by_side(references: Iterator[Reference], blobs: Iterator[Blob]) -> Iterator[Pair]:
    """Merge what is referred to and what is there, each in order of the digest."""
    reference, blob = next(references, None), next(blobs, None)
    while reference is not None or blob is not None:
        sha256 = min(each.sha256 for each in (reference, blob) if each is not None)
        referring = []
        while reference is not None and reference.sha256 == sha256:
            referring.append(reference)
            reference = next(references, None)
        found = []
        while blob is not None and blob.sha256 == sha256:
            found.append(blob)
            blob = next(blobs, None)
        yield Pair(sha256, referring, found)


def _parse(line: str) -> Reference:
    sha256, size_bytes, file_id, number = line.split("\t")
    return Reference(sha256, int(size_bytes), UUID(file_id), int(number))


def _references(
    conn: Connection, org_id: UUID, given_up_before: datetime | None
) -> Iterator[Reference]:
    ours = events.c.org_id == org_id
    number = payload_field(events.c.payload, "number")
    part = latest_event(
        [events.c.stream_id, number],
        events.c.stream_id,
        number.label("number"),
        payload_field(events.c.payload, "size_bytes").label("size_bytes"),
        payload_field(events.c.payload, "sha256", Text()).label("sha256"),
        payload_field(events.c.payload, "stored", Boolean()).label("stored"),
        where=ours & (events.c.type == _PART_UPLOADED),
    )
    swept = select(events.c.stream_id).where(ours, events.c.type == _CONTENT_SWEPT)
    query = (
        select(part.c.sha256, part.c.size_bytes, part.c.stream_id, part.c.number)
        .where(part.c.stored, part.c.stream_id.not_in(swept))
        .order_by(part.c.sha256)
    )
    if given_up_before is not None:
        deleted = _deleted_before(conn, org_id, given_up_before)
        query = query.where(part.c.stream_id.not_in(deleted))
    for row in stream(conn, query):
        yield Reference(row["sha256"], row["size_bytes"], row["stream_id"], row["number"])


def _deleted_before(conn: Connection, org_id: UUID, moment: datetime) -> Select[tuple[UUID]]:
    life = latest_event(
        [events.c.stream_id],
        events.c.stream_id,
        events.c.type,
        effective_at(limits_of(conn, org_id)).label("moment"),
        where=(events.c.org_id == org_id) & events.c.type.in_(_LIVES),
    )
    return select(life.c.stream_id).where(life.c.type == "file.deleted", life.c.moment <= moment)


def files_to_give_up(conn: Connection, org_id: UUID, deleted_before: datetime) -> list[UUID]:
    """Return the files deleted by then whose content was not given up yet."""
    swept = select(events.c.stream_id).where(
        events.c.org_id == org_id, events.c.type == _CONTENT_SWEPT
    )
    candidates = _deleted_before(conn, org_id, deleted_before).subquery()
    return list(
        conn.execute(
            select(candidates.c.stream_id).where(candidates.c.stream_id.not_in(swept))
        ).scalars()
    )


def deleted_at(conn: Connection, org_id: UUID, file_id: UUID) -> datetime | None:
    """Return when a file was deleted last."""
    moment: datetime | None = conn.execute(
        select(func.max(effective_at(limits_of(conn, org_id)))).where(
            events.c.org_id == org_id,
            events.c.stream_id == file_id,
            events.c.type == "file.deleted",
        )
    ).scalar()
    return moment


def is_organization_deleted(conn: Connection, org_id: UUID, before: datetime) -> bool:
    """Whether an organization was deleted by then; nothing of it can ever be restored."""
    deleted = conn.execute(
        select(events.c.position).where(
            events.c.org_id == org_id,
            events.c.stream_id == org_id,
            events.c.type == "organization.deleted",
            effective_at(limits_of(conn, org_id)) <= before,
        )
    ).scalar()
    return deleted is not None


def referred_to_since(conn: Connection, org_id: UUID, position: int) -> set[str]:
    """Return the digests of the parts that were uploaded past a position of the log."""
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
    """Return a file as its events have it, whatever its stored row says."""
    later = event_log.read_stream(conn, org_id, file_id)
    state: File | None = fold(FILE.decider, None, (each.event for each in later))
    return state
