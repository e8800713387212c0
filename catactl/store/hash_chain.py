"""Hash the events of a log, and verify the hashes.

The hash of an event includes the hash of the event before, as in Haber and Stornetta's time stamps.
So `verify` finds a change of any event, and its position.
"""

import hashlib
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError

from catactl.errors import CorruptLog
from catactl.store import canonical_json
from catactl.store.effective_time import CLOCK_CORRECTED
from catactl.store.event_log import EMPTY, Head, StoredEvent, head_at, read_after
from catactl.store.tables import logs


def with_hash(head: Head, event: StoredEvent) -> StoredEvent:
    """Return the event with its hash, which includes the hash of the log's head."""
    return StoredEvent(*event[:-1], chain_hash(head.hash, event))


def chain_hash(previous: bytes, recorded: StoredEvent) -> bytes:
    """Return the SHA-256 of the previous hash, the digest of the payload, and the canonical header.

    Storage format: only the digest of a payload is hashed, so that a payload could be erased
    without a break of the chain.
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
    # Write the canonical JSON array without an encoder, because this runs for each event.
    header = (
        f'["{org_id!s}",{position},"{stream_id!s}",{version},{_json(type_)},{schema_version},'
        f'"{event_id!s}",{_json(actor)},{_json(reason)},"{command_id!s}","{correlation_id!s}",'
        f'{cause},"{canonical_json.format_instant(recorded_at)}"]'
    )
    payload_digest = hashlib.sha256(payload.encode()).digest()
    return hashlib.sha256(previous + payload_digest + header.encode()).digest()


# Names, actors and reasons, which are few and often the same.
_json = lru_cache(maxsize=256)(canonical_json.canonical)


class Break(NamedTuple):
    """The first position of a log that does not follow from the events before it, and why."""

    position: int
    problem: str


def verify(conn: Connection, org_id: UUID, after: int = 0) -> tuple[int, Break | None]:
    """Verify the chain. Return the last valid position, and the first break if there is one.

    With `after` verify only the events after that position.
    """
    row = conn.execute(
        select(logs.c.position, logs.c.recorded_at, logs.c.head_hash).where(logs.c.org_id == org_id)
    ).one_or_none()
    head = Head(*row) if row is not None else EMPTY
    before = head_at(conn, org_id, after)
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
                unreadable = f"changed: it cannot be read ({error})"
                return before.position, Break(before.position + 1, unreadable)
            rows, one_by_one = read_after(conn, org_id, before.position, page=1), True
            continue
        unseen = recorded.version - 1 if after else 0
        problem = _problem(before, versions.get(recorded.stream_id, unseen), recorded)
        if problem is not None:
            return before.position, Break(min(before.position + 1, recorded.position), problem)
        before = Head(recorded.position, recorded.recorded_at, recorded.hash)
        versions[recorded.stream_id] = recorded.version
    position, previous = before.position, before.hash
    if position < head.position:
        return position, Break(position + 1, f"missing: the log's head is at {head.position}")
    if position > head.position:
        return head.position, Break(head.position + 1, "inserted after the log's head")
    if previous != head.hash:
        return max(position - 1, 0), Break(position, "its hash differs from the log's head")
    return position, None


def _problem(before: Head, version: int, recorded: StoredEvent) -> str | None:
    """Return why an event does not follow from the events before it, None if it does. `version` is
    the version of the event before it in its stream.
    """
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
        return "dated earlier than the event before it, without a correction of the clock"
    return None
