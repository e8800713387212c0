"""Lock, read and append to the log of one organization.

Positions are 1, 2, 3 … without gaps, in the order of commits, because each writer holds the lock of
the log's row from before it reads until it commits.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.elements import BindParameter

from catactl.domain.decider import Event
from catactl.errors import CorruptLog, VersionConflict
from catactl.store import clock, codec
from catactl.store.sql.statements import fetch, write, write_all
from catactl.store.tables import events, logs

GENESIS_HASH = bytes(32)
_PAGE = 1_000
# The maximum number of events that `lock` returns.
MANY_EVENTS = 500
# A position after all events.
END = 2**63 - 1


class Head(NamedTuple):
    """The position, time and hash of a log's last event."""

    position: int
    recorded_at: datetime | None
    hash: bytes


EMPTY = Head(0, None, GENESIS_HASH)


class StoredEvent(NamedTuple):
    """A row of the table of events. `payload` is canonical JSON, `hash` has 32 bytes."""

    org_id: UUID
    position: int
    stream_id: UUID
    version: int
    type: str
    schema_version: int
    payload: str
    event_id: UUID
    actor: str
    reason: str | None
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    recorded_at: datetime
    hash: bytes

    @property
    def event(self) -> Event:
        try:
            return codec.decode(self.type, self.schema_version, self.payload)
        except CorruptLog as error:
            raise CorruptLog(f"position {self.position}: {error.message}", error.hint) from error


class Lock(NamedTuple):
    """A log that the transaction locked, and its events after the requested position.

    `now` is the server's time after the lock was taken, `transaction_id` the server's id of the
    transaction. Both are None on SQLite.
    """

    head: Head
    later: "list[StreamEvent]"
    now: datetime | None
    transaction_id: str | None


class StreamEvent(NamedTuple):
    """The columns of an event that evolve a state."""

    stream_id: UUID
    version: int
    type: str
    schema_version: int
    payload: str

    @property
    def event(self) -> Event:
        return codec.decode(self.type, self.schema_version, self.payload)


STREAM_COLUMNS = [events.c[name] for name in StreamEvent._fields]
_LOCK = (
    select(logs.c.position, logs.c.recorded_at, logs.c.head_hash)
    .where(logs.c.org_id == bindparam("of_org"))
    .with_for_update()
)
_NOW = select(func.clock_timestamp(), cast(func.pg_current_xact_id(), Text))
_LOCK_ID = select(func.pg_advisory_xact_lock(bindparam("of_org", type_=BigInteger)))
_IS_LATER = (events.c.org_id == bindparam("of_org"), events.c.position > bindparam("after"))
_AFTER = (
    select(*(events.c[name] for name in StoredEvent._fields))
    .where(*_IS_LATER)
    .order_by(events.c.position)
)
_LATER = select(*STREAM_COLUMNS).where(*_IS_LATER).order_by(events.c.position).limit(MANY_EVENTS)
_STREAM = (
    select(*STREAM_COLUMNS)
    .where(
        events.c.org_id == bindparam("of_org"),
        events.c.stream_id == bindparam("of_stream"),
        events.c.version > bindparam("after"),
    )
    .order_by(events.c.version)
    .limit(_PAGE)
)
_NEW_HEAD: dict[str, BindParameter[Any]] = {
    "position": bindparam("to_position"),
    "recorded_at": bindparam("to_recorded_at"),
    "head_hash": bindparam("to_hash"),
}
_INSERT_HEAD = insert(logs).values(org_id=bindparam("of_org"), **_NEW_HEAD)
_UPDATE_HEAD = (
    update(logs)
    .where(logs.c.org_id == bindparam("of_org"), logs.c.position == bindparam("from_position"))
    .values(_NEW_HEAD)
)


def lock(conn: Connection, org_id: UUID, after: int | None = None) -> Lock:
    """Lock an organization's log until the transaction ends. With `after` also read the events
    after that position, at most `MANY_EVENTS`.

    A separate statement takes the lock, because after a wait READ COMMITTED reads only the locked
    row again, and would join it with stale rows. The next statements run after the lock is taken.
    """
    is_postgresql = conn.dialect.name == "postgresql"
    queries: list[tuple[Any, dict[str, Any]]] = [(_LOCK, {"of_org": org_id})]
    if is_postgresql:
        queries.append((_NOW, {}))
    if after is not None:
        queries.append((_LATER, {"of_org": org_id, "after": after}))
    rows, *others = fetch(conn, *queries)
    if not rows and is_postgresql:
        # Lock the id, because a new organization has no row to lock.
        conn.execute(_LOCK_ID, {"of_org": int.from_bytes(org_id.bytes[:8], signed=True)})
        rows, *others = fetch(conn, *queries)
    head = Head(*rows[0]) if rows else EMPTY
    now, transaction_id = others.pop(0)[0] if is_postgresql else (None, None)
    return Lock(
        head, [StreamEvent(*row) for row in others[0]] if others else [], now, transaction_id
    )


def read_after(
    conn: Connection,
    org_id: UUID,
    after: int = 0,
    stream_id: UUID | None = None,
    page: int | None = None,
) -> Iterator[StoredEvent]:
    """Yield an organization's events after a position, in order. Read one page at a time."""
    size = page if page is not None else _PAGE
    query = _AFTER.limit(size)
    if stream_id is not None:
        query = query.where(events.c.stream_id == stream_id)
    rows = read_pages(conn, query, {"of_org": org_id}, after, size)
    yield from map(StoredEvent._make, rows)


def read_stream(
    conn: Connection, org_id: UUID, stream_id: UUID, from_version: int = 1
) -> Iterator[StreamEvent]:
    """Yield a stream's events from a version on, in order. Read one page at a time."""
    parameters = {"of_org": org_id, "of_stream": stream_id}
    rows = read_pages(conn, _STREAM, parameters, from_version - 1, _PAGE, "version")
    yield from map(StreamEvent._make, rows)


def read_pages(
    conn: Connection,
    query: Select[Any],
    parameters: Mapping[str, Any],
    after: int,
    size: int,
    column: str = "position",
) -> Iterator[Row[Any]]:
    """Yield the rows of all pages of a query. A page has `size` rows, in the order of a column,
    that follow the value of the parameter `after`.
    """
    while True:
        page = conn.execute(query, {**parameters, "after": after}).all()
        yield from page
        if len(page) < size:
            return
        after = getattr(page[-1], column)


def next_instant(head: Head, now: datetime) -> datetime:
    """Return the time of the next event: now, or the time of the last event if the clock is a
    little behind it. A log that is further ahead of the clock accepts only a correction.
    """
    now = now.astimezone(UTC)
    if head.recorded_at is None or head.recorded_at - now > clock.MAX_AHEAD:
        return now
    return max(now, head.recorded_at.astimezone(UTC))


def _moved() -> VersionConflict:
    return VersionConflict("the log's head changed although it was locked")


def append(conn: Connection, org_id: UUID, head: Head, appended: list[StoredEvent]) -> Head:
    """Write the events and the log's new head, and return that head.

    Raises `VersionConflict` if `head` is not the log's head, which only a writer without the lock
    can cause. The unique indexes would refuse its events, too.
    """
    last = appended[-1]
    new = {"to_position": last.position, "to_recorded_at": last.recorded_at, "to_hash": last.hash}
    if head == EMPTY:
        write(conn, _INSERT_HEAD, {"of_org": org_id, **new})
    else:
        at = {"of_org": org_id, "from_position": head.position}
        write(conn, _UPDATE_HEAD, at | new, _moved)
    write_all(conn, events, StoredEvent._fields, appended)
    return Head(last.position, last.recorded_at, last.hash)


def holds(conn: Connection, org_id: UUID, head: Head) -> bool:
    """Return whether the log has an event with the position and hash of the head."""
    stored = head_at(conn, org_id, head.position)
    return stored is not None and stored.hash == head.hash


def head_at(conn: Connection, org_id: UUID, position: int) -> Head | None:
    """Return the head of a log after the event at a position; None if there is no such event."""
    if position == 0:
        return EMPTY
    row = conn.execute(
        select(events.c.position, events.c.recorded_at, events.c.hash).where(
            events.c.org_id == org_id, events.c.position == position
        )
    ).one_or_none()
    return Head(*row) if row is not None else None
