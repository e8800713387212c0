"""One organization's log: lock it, read it, append to it, prove it.

Positions run 1, 2, 3 … without gaps in commit order, because every writer holds the log's row lock
from before it reads until it commits. Each event carries the hash of everything before it, a chain
as in Haber and Stornetta's time stamps, so that a change anywhere is found by position.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Text, bindparam, cast, func, insert, select, update
from sqlalchemy.exc import DataError

from catactl.domain.decider import Event
from catactl.errors import CorruptLog, VersionConflict
from catactl.store import canonical_json, clock, codec
from catactl.store.effective_time import CLOCK_CORRECTED
from catactl.store.sql.statements import fetch, write, write_all
from catactl.store.tables import events, logs

GENESIS_HASH = bytes(32)
_PAGE = 1_000
# How many later events `lock` brings along at most; who gets that many had better load afresh.
MANY_EVENTS = 500
# A position past every other.
END = 2**63 - 1


class Head(NamedTuple):
    """Where a log stands: its last position, when that was recorded, and its hash."""

    position: int
    recorded_at: datetime | None
    hash: bytes


EMPTY = Head(0, None, GENESIS_HASH)


class StoredEvent(NamedTuple):
    """A row of the event table. `payload` is canonical JSON text, `hash` 32 bytes."""

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
    """A log that the transaction has locked, and its events after the requested position.

    `now` is the server's time after the lock was taken, and `transaction_id` the server's id of the
    transaction; both are None on SQLite.
    """

    head: Head
    later: "list[StreamEvent]"
    now: datetime | None
    transaction_id: str | None


class StreamEvent(NamedTuple):
    """What of an event it takes to evolve a state over it."""

    stream_id: UUID
    version: int
    type: str
    schema_version: int
    payload: str

    @property
    def event(self) -> Event:
        return codec.decode(self.type, self.schema_version, self.payload)


_COLUMNS = [events.c[name] for name in StoredEvent._fields]
_LOCK = (
    select(logs.c.position, logs.c.recorded_at, logs.c.head_hash)
    .where(logs.c.org_id == bindparam("of_org"))
    .with_for_update()
)
_NOW = select(func.clock_timestamp(), cast(func.pg_current_xact_id(), Text))
_LOCK_ID = select(func.pg_advisory_xact_lock(bindparam("of_org", type_=BigInteger)))
_AFTER = (
    select(*_COLUMNS)
    .where(events.c.org_id == bindparam("of_org"), events.c.position > bindparam("after"))
    .order_by(events.c.position)
)
_LATER = (
    select(*(events.c[name] for name in StreamEvent._fields))
    .where(events.c.org_id == bindparam("of_org"), events.c.position > bindparam("after"))
    .order_by(events.c.position)
    .limit(MANY_EVENTS)
)
_STREAM = (
    select(*(events.c[name] for name in StreamEvent._fields))
    .where(
        events.c.org_id == bindparam("of_org"),
        events.c.stream_id == bindparam("of_stream"),
        events.c.version >= bindparam("from_version"),
    )
    .order_by(events.c.version)
    .limit(_PAGE)
)
_OPEN_LOG = insert(logs)
_MOVE_HEAD = (
    update(logs)
    .where(logs.c.org_id == bindparam("of_org"), logs.c.position == bindparam("from_position"))
    .values(
        position=bindparam("to_position"),
        recorded_at=bindparam("to_recorded_at"),
        head_hash=bindparam("to_hash"),
    )
)


def lock(conn: Connection, org_id: UUID, after: int | None = None) -> Lock:
    """Lock an organization's log until the transaction ends; return its head.

    The lock is a statement of its own: in a join, READ COMMITTED would re-read only the locked row
    after a wait, and pair it with stale rows. The statements after it run once the lock is held:
    they read the clock, and with `after` the events past that position, at most `MANY_EVENTS`.
    """
    is_postgresql = conn.dialect.name == "postgresql"
    queries: list[tuple[Any, dict[str, Any]]] = [(_LOCK, {"of_org": org_id})]
    if is_postgresql:
        queries.append((_NOW, {}))
    if after is not None:
        queries.append((_LATER, {"of_org": org_id, "after": after}))
    rows, *others = fetch(conn, *queries)
    if not rows and is_postgresql:
        # There is no row yet to lock: creations of one organization queue up on its id instead.
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
    page: int = _PAGE,
) -> Iterator[StoredEvent]:
    """Yield an organization's events past a position, in order, a page at a time."""
    query = _AFTER.limit(page)
    if stream_id is not None:
        query = query.where(events.c.stream_id == stream_id)
    while True:
        rows = conn.execute(query, {"of_org": org_id, "after": after}).all()
        for row in rows:
            yield StoredEvent(*row)
        if len(rows) < page:
            return
        after = rows[-1].position


def read_stream(
    conn: Connection, org_id: UUID, stream_id: UUID, from_version: int = 1
) -> Iterator[StreamEvent]:
    """Yield a stream's events from a version on, in order, a page at a time."""
    while True:
        page = conn.execute(
            _STREAM, {"of_org": org_id, "of_stream": stream_id, "from_version": from_version}
        ).all()
        for row in page:
            yield StreamEvent(*row)
        if len(page) < _PAGE:
            return
        from_version = page[-1].version + 1


def next_instant(head: Head, now: datetime) -> datetime:
    """Return the time to record next: now, or the last recorded time if the clock is a little
    behind it. A log that is further ahead of the clock accepts only a correction at this time.
    """
    now = now.astimezone(UTC)
    if head.recorded_at is None or head.recorded_at - now > clock.MAX_AHEAD:
        return now
    return max(now, head.recorded_at.astimezone(UTC))


def with_hash(head: Head, unsealed: StoredEvent) -> StoredEvent:
    """Return the event with its hash, which stands on the log's head before it."""
    return StoredEvent(*unsealed[:-1], chain_hash(head.hash, unsealed))


def chain_hash(previous: bytes, recorded: StoredEvent) -> bytes:
    """SHA-256 over the hash before, the digest of the payload, and the canonical header.

    Storage format: the payload enters as a digest alone, so one could be erased and the chain hold.
    """
    (
        org_id,
        position,
        stream_id,
        version,
        type_,
        schema_version,
        payload,
        event_id,
        actor,
        reason,
        command_id,
        correlation_id,
        causation_id,
        recorded_at,
        _,
    ) = recorded
    cause = f'"{causation_id!s}"' if causation_id is not None else "null"
    # A JSON array in canonical form, put together by hand: this is done for every event.
    header = (
        f'["{org_id!s}",{position},"{stream_id!s}",{version},{_json(type_)},{schema_version},'
        f'"{event_id!s}",{_json(actor)},{_json(reason)},"{command_id!s}","{correlation_id!s}",'
        f'{cause},"{canonical_json.format_instant(recorded_at)}"]'
    )
    payload_digest = hashlib.sha256(payload.encode()).digest()
    return hashlib.sha256(previous + payload_digest + header.encode()).digest()


# Names, actors and reasons: few that come again and again.
_json = lru_cache(maxsize=256)(canonical_json.canonical)


def _moved() -> VersionConflict:
    return VersionConflict("the log's head moved under its lock")


def append(conn: Connection, org_id: UUID, head: Head, appended: list[StoredEvent]) -> Head:
    """Write the events and move the log's head; return the new one.

    The head moves only from where the caller saw it. `VersionConflict` means that a writer came
    between, which the lock prevents; the unique indexes would catch it as well.
    """
    last = appended[-1]
    moved = {"to_position": last.position, "to_recorded_at": last.recorded_at, "to_hash": last.hash}
    if head == EMPTY:
        write(
            conn,
            _OPEN_LOG,
            {
                "org_id": org_id,
                "position": last.position,
                "recorded_at": last.recorded_at,
                "head_hash": last.hash,
            },
        )
    else:
        write(
            conn,
            _MOVE_HEAD,
            {"of_org": org_id, "from_position": head.position, **moved},
            _moved,
        )
    write_all(conn, events, StoredEvent._fields, appended)
    return Head(last.position, last.recorded_at, last.hash)


def holds(conn: Connection, org_id: UUID, head: Head) -> bool:
    """Return whether the log has an event with the position and hash of the head."""
    found = _head_at(conn, org_id, head.position)
    return found is not None and found.hash == head.hash


class Break(NamedTuple):
    """Where a log stops proving itself: the first position that does not follow from those
    before.
    """

    position: int
    problem: str


def verify(conn: Connection, org_id: UUID, after: int = 0) -> tuple[int, Break | None]:
    """Walk the chain; return the last position that holds, and the first break if there is one.

    With `after` only what comes past that position is walked; what comes before is taken as it is.
    """
    row = conn.execute(
        select(logs.c.position, logs.c.recorded_at, logs.c.head_hash).where(logs.c.org_id == org_id)
    ).one_or_none()
    head = Head(*row) if row is not None else EMPTY
    before = _head_at(conn, org_id, after)
    if before is None:
        return after - 1, Break(after, "missing")
    versions = dict[UUID, int]()
    one_by_one = False
    rows = read_after(conn, org_id, after)
    while True:
        try:
            recorded = next(rows)
        except StopIteration:
            break
        except (ValueError, TypeError, CorruptLog, DataError) as error:
            if one_by_one:
                problem = f"changed: it cannot be read ({error})"
                return before.position, Break(before.position + 1, problem)
            rows, one_by_one = read_after(conn, org_id, before.position, page=1), True
            continue
        unseen = recorded.version - 1 if after else 0
        found = _problem(before, versions.get(recorded.stream_id, unseen), recorded)
        if found is not None:
            return before.position, Break(min(before.position + 1, recorded.position), found)
        before = Head(recorded.position, recorded.recorded_at, recorded.hash)
        versions[recorded.stream_id] = recorded.version
    position, previous = before.position, before.hash
    if position < head.position:
        return position, Break(position + 1, f"missing: the log's head is at {head.position}")
    if position > head.position:
        return head.position, Break(head.position + 1, "inserted past the log's head")
    if previous != head.hash:
        return max(position - 1, 0), Break(position, "its hash is not the one at the log's head")
    return position, None


def _head_at(conn: Connection, org_id: UUID, position: int) -> Head | None:
    """Return the head of a log after the event at a position; None if there is no such event."""
    if position == 0:
        return EMPTY
    row = conn.execute(
        select(events.c.position, events.c.recorded_at, events.c.hash).where(
            events.c.org_id == org_id, events.c.position == position
        )
    ).one_or_none()
    return Head(*row) if row is not None else None


def _problem(before: Head, version: int, recorded: StoredEvent) -> str | None:
    if recorded.position != before.position + 1:
        return "missing, or out of place"
    if recorded.version != version + 1:
        return f"version {recorded.version} of its stream follows version {version}"
    try:
        payload = canonical_json.canonical(canonical_json.load_strictly(recorded.payload))
    except ValueError as error:
        return f"changed: its payload cannot be read ({error})"
    if chain_hash(before.hash, recorded._replace(payload=payload)) != recorded.hash:
        return "changed: its hash does not match its content and the events before it"
    is_earlier = before.recorded_at is not None and recorded.recorded_at < before.recorded_at
    if is_earlier and recorded.type != CLOCK_CORRECTED:
        return "dated before the event before it, without a correction of the clock"
    return None
