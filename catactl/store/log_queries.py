"""Find the state of a log at a moment or a position without reading the whole log.

Within a log the times from which events count never decrease, so a binary search finds a moment.
Each usage event contains the figures after it, so the last usage event is enough. Other events of
the organization itself are rare, and have an index of their own.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Select, Text, bindparam, select, tuple_

from catactl.domain.organization import StorageUsageChanged, StorageUsageCorrected
from catactl.errors import CorruptLog
from catactl.store.codec import EVENT_NAMES
from catactl.store.effective_time import effective, effective_at, limits_by_log, limits_of
from catactl.store.event_log import END, STREAM_COLUMNS, StoredEvent, StreamEvent, read_pages
from catactl.store.sql.bulk import batched
from catactl.store.sql.functions import payload_field
from catactl.store.tables import IS_LIFECYCLE_EVENT, events, logs

CHANGED = EVENT_NAMES[StorageUsageChanged]
CORRECTED = EVENT_NAMES[StorageUsageCorrected]
USAGE_EVENTS = (CHANGED, CORRECTED)
_ROWS_AT_ONCE = 2_000


class Figures(NamedTuple):
    """Bytes, files and parts after an event; all 0 before the first event."""

    used_bytes: int = 0
    file_count: int = 0
    part_count: int = 0


class UsageStep(NamedTuple):
    """A change of usage: the bytes from a moment on."""

    moment: datetime
    used_bytes: int


def _last(*columns: Any, where: Iterable[Any]) -> Select[Any]:
    """Return the query for columns of the last event that meets the conditions."""
    return select(*columns).where(*where).order_by(events.c.position.desc()).limit(1)


def positions_at(conn: Connection, org_ids: Sequence[UUID], moment: datetime) -> dict[UUID, int]:
    """Return the last position of each log at a moment: 0 before its first event."""
    positions: dict[UUID, int] = {}
    for batch in batched(org_ids):
        positions |= _positions_at(conn, batch, moment)
    return positions


def _positions_at(conn: Connection, org_ids: Sequence[UUID], moment: datetime) -> dict[UUID, int]:
    heads = conn.execute(select(logs.c.org_id, logs.c.position).where(logs.c.org_id.in_(org_ids)))
    limits = limits_by_log(conn, org_ids)
    low = dict.fromkeys(org_ids, 0)
    high = dict.fromkeys(org_ids, 0) | {row.org_id: row.position for row in heads}
    key = tuple_(events.c.org_id, events.c.position)
    while unsettled := [org_id for org_id in org_ids if low[org_id] < high[org_id]]:
        middles = {org_id: (low[org_id] + high[org_id] + 1) // 2 for org_id in unsettled}
        rows = conn.execute(
            select(events.c.org_id, events.c.recorded_at).where(key.in_(list(middles.items())))
        )
        recorded_at = {row.org_id: row.recorded_at for row in rows}
        for org_id, middle in middles.items():
            if org_id not in recorded_at:
                raise _missing(f"event {middle} of the log {org_id}")
            if effective(limits.get(org_id, ()), middle, recorded_at[org_id]) <= moment:
                low[org_id] = middle
            else:
                high[org_id] = middle - 1
    return low


def _missing(description: str) -> CorruptLog:
    return CorruptLog(f"{description} is missing", "catactl event verify")


def position_at(conn: Connection, org_id: UUID, moment: datetime) -> int:
    """Return the last position of a log at a moment: 0 before its first event."""
    return positions_at(conn, [org_id], moment)[org_id]


def count_after(conn: Connection, org_id: UUID, moment: datetime) -> int:
    """Return the number of events of a log that count from a later time than a moment."""
    head = conn.execute(select(logs.c.position).where(logs.c.org_id == org_id)).scalar()
    return (head or 0) - position_at(conn, org_id, moment)


def positions_before(
    conn: Connection, org_ids: Sequence[UUID], moment: datetime
) -> dict[UUID, int]:
    """Return the last position of each log before a moment. An event at the moment is excluded."""
    try:
        return positions_at(conn, org_ids, moment - timedelta(microseconds=1))
    except OverflowError:  # there is no time before year 1
        return dict.fromkeys(org_ids, 0)


def position_before(conn: Connection, org_id: UUID, moment: datetime) -> int:
    """Return the last position of a log before a moment."""
    return positions_before(conn, [org_id], moment)[org_id]


def version_at(conn: Connection, org_id: UUID, stream_id: UUID, position: int) -> int:
    """Return the version of a stream at a position of its log: 0 before its first event."""

    def position_of(version: int) -> int:
        at = position_of_version(conn, org_id, stream_id, version)
        if at is None:
            raise _missing(f"version {version} of the stream {stream_id}")
        return at

    is_of_stream = (events.c.org_id == org_id, events.c.stream_id == stream_id)
    last = select(events.c.version).where(*is_of_stream).order_by(events.c.version.desc()).limit(1)
    versions = range(1, (conn.execute(last).scalar() or 0) + 1)
    return bisect_right(versions, position, key=position_of)


def position_of_version(
    conn: Connection, org_id: UUID, stream_id: UUID, version: int
) -> int | None:
    """Return the position of a stream's version in its log, None if there is none."""
    position: int | None = conn.execute(
        select(events.c.position).where(
            events.c.org_id == org_id, events.c.stream_id == stream_id, events.c.version == version
        )
    ).scalar()
    return position


def organization_events(conn: Connection, org_id: UUID, position: int) -> list[StreamEvent]:
    """Return the events to fold for an organization's state at a position: its rare events, and its
    last usage event, which makes the earlier ones unnecessary.
    """
    until = (events.c.org_id == org_id, events.c.position <= position)
    rare = select(*STREAM_COLUMNS).where(*until, IS_LIFECYCLE_EVENT).order_by(events.c.position)
    last = _last(*STREAM_COLUMNS, where=(*until, events.c.type.in_(USAGE_EVENTS)))
    rows = [row for query in (rare, last) for row in conn.execute(query)]
    return sorted((StreamEvent(*row) for row in rows), key=lambda event: event.version)


def events_of_streams(
    conn: Connection,
    org_id: UUID,
    streams: Select[tuple[UUID]],
    types: Sequence[str],
    position: int,
) -> Iterator[StreamEvent]:
    """Yield the events of the given types and streams up to a position, in the order of the log."""
    query = (
        select(*STREAM_COLUMNS)
        .where(
            events.c.org_id == org_id,
            events.c.stream_id.in_(streams),
            events.c.type.in_(types),
            events.c.position <= position,
        )
        .order_by(events.c.position)
    )
    yield from map(StreamEvent._make, conn.execute(query))


def usage_at(conn: Connection, org_id: UUID, position: int) -> Figures:
    """Return an organization's figures at a position of its log."""
    fields = [payload_field(events.c.payload, name) for name in Figures._fields]
    until = (events.c.org_id == org_id, events.c.position <= position)
    query = _last(*fields, where=(*until, events.c.type.in_(USAGE_EVENTS)))
    row = conn.execute(query).one_or_none()
    return Figures(*(_figure(each, position) for each in row)) if row is not None else Figures()


def _figure(value: object, position: int) -> int:
    """Return a figure of a payload; raise `CorruptLog` if somebody tampered with it."""
    if type(value) is not int:
        raise CorruptLog(
            f"the usage event before position {position + 1} has no figures", "catactl event verify"
        )
    return value


def usage_steps(conn: Connection, org_id: UUID, after: int, until: int) -> Iterator[UsageStep]:
    """Yield the changes of usage between two positions of a log, the first excluded."""
    query = (
        select(
            effective_at(limits_of(conn, org_id)),
            payload_field(events.c.payload, "used_bytes"),
            events.c.position,
        )
        .where(
            events.c.org_id == org_id,
            events.c.position > after,
            events.c.position <= until,
            events.c.type.in_(USAGE_EVENTS),
        )
        .order_by(events.c.position)
    )
    for row in conn.execution_options(yield_per=_ROWS_AT_ONCE).execute(query):
        yield UsageStep(row[0], _figure(row[1], row[2]))


def events_of(
    conn: Connection, org_id: UUID, after: int, until: int, types: Sequence[str]
) -> Iterator[StoredEvent]:
    """Yield the events of the given types between two positions of a log, the first excluded.
    `recorded_at` is the time from which an event counts. Read one page at a time.
    """
    counts_from = effective_at(limits_of(conn, org_id))
    query = (
        select(
            *(
                counts_from if name == "recorded_at" else events.c[name]
                for name in StoredEvent._fields
            )
        )
        .where(
            events.c.org_id == org_id,
            events.c.position > bindparam("after"),
            events.c.position <= until,
            events.c.type.in_(types),
        )
        .order_by(events.c.position)
        .limit(_ROWS_AT_ONCE)
    )
    yield from map(StoredEvent._make, read_pages(conn, query, {}, after, _ROWS_AT_ONCE))


def before_last_usage(conn: Connection, org_id: UUID, count: int) -> int:
    """Return the position before the last `count` usage events of a log; 0 if it has fewer. Read
    only that number of events.
    """
    is_usage = (events.c.org_id == org_id, events.c.type.in_(USAGE_EVENTS))
    query = _last(events.c.position, where=is_usage).offset(min(count, END) - 1)
    position: int | None = conn.execute(query).scalar()
    return position - 1 if position is not None else 0


def before_command(conn: Connection, org_id: UUID, position: int) -> int:
    """Return the position before the first event of the command that caused the event at a
    position. The events of a command are consecutive.
    """
    is_of_log = events.c.org_id == org_id
    correlation_id = conn.execute(
        select(events.c.correlation_id).where(is_of_log, events.c.position == position)
    ).scalar()
    if correlation_id is None:  # there is no event at the position
        return position - 1
    is_before = (events.c.position < position, events.c.correlation_id != correlation_id)
    query = _last(events.c.position, where=(is_of_log, *is_before))
    before: int | None = conn.execute(query).scalar()
    return before or 0


def last_correction(conn: Connection, org_id: UUID) -> int:
    """Return the position of a log's last correction of usage; 0 if there is none."""
    is_correction = (events.c.org_id == org_id, IS_LIFECYCLE_EVENT, events.c.type == CORRECTED)
    position: int | None = conn.execute(_last(events.c.position, where=is_correction)).scalar()
    return position or 0


def file_names(conn: Connection, org_id: UUID, file_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the names of files, which never change, from their first events."""
    query = select(
        events.c.stream_id, payload_field(events.c.payload, "name", Text()).label("name")
    ).where(events.c.org_id == org_id, events.c.stream_id.in_(file_ids), events.c.version == 1)
    return {row.stream_id: row.name for row in conn.execute(query)}
