"""Each change of a log by hand is found by its position."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, Connection, Engine, Text, cast, delete, insert, literal, update
from sqlalchemy.dialects.postgresql import JSONB

from catactl.handling.handler import Handler
from catactl.store import canonical_json, event_log, hash_chain
from catactl.store.event_log import GENESIS_HASH, Head, StoredEvent
from catactl.store.sql.engine import reading
from catactl.store.tables import events, logs
from tests.support import (
    NOON,
    create_file,
    create_organization,
    read_log,
    tampering,
    upload,
)

_LAST = 8


def verify(engine: Engine, org_id: UUID, after: int = 0) -> tuple[int, int | None]:
    """Return the last valid position, and the position of the break."""
    with reading(engine) as conn:
        valid, broken = hash_chain.verify(conn, org_id, after)
    return valid, broken.position if broken is not None else None


def test_an_unchanged_log_is_valid(engine: Engine, org_id: UUID) -> None:
    assert verify(engine, org_id) == (_LAST, None)


def test_a_log_that_does_not_exist_has_no_valid_event(engine: Engine) -> None:
    assert verify(engine, UUID(int=1)) == (0, None)


def test_a_log_longer_than_a_page_is_valid_and_is_read_in_order(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, org_id: UUID
) -> None:
    monkeypatch.setattr(event_log, "_PAGE", 3)
    monkeypatch.setattr(event_log, "_STREAM", event_log._STREAM.limit(3))
    assert verify(engine, org_id) == (_LAST, None)
    assert [each.position for each in read_log(engine, org_id)] == list(range(1, _LAST + 1))
    with reading(engine) as conn:
        stream = list(event_log.read_stream(conn, org_id, org_id))
    assert [each.version for each in stream] == [1, 2, 3, 4, 5]


def test_the_end_of_a_log_can_be_verified_alone(
    engine: Engine, database_url: URL, org_id: UUID
) -> None:
    for after in range(_LAST + 1):
        assert verify(engine, org_id, after) == (_LAST, None)
    with tampering(database_url) as conn:
        conn.execute(update(events).where(events.c.position == 4).values(actor="x"))
    assert verify(engine, org_id, 3) == (3, 4)
    assert verify(engine, org_id, 4) == (_LAST, None)
    with tampering(database_url) as conn:
        conn.execute(delete(events).where(events.c.position == 4))
    assert verify(engine, org_id, 3) == (3, 4)
    assert verify(engine, org_id, 4) == (3, 4)
    assert verify(engine, org_id, 5) == (_LAST, None)


# --- changed --------------------------------------------------------------------------------------

_CHANGES: dict[str, Callable[[StoredEvent], Any]] = {
    "stream_id": lambda row: UUID(int=9),
    "type": lambda row: "organization.renamed",
    "schema_version": lambda row: 2,
    "payload": lambda row: row.payload[:-1] + ',"more":1}' if row.payload != "{}" else '{"a":1}',
    "event_id": lambda row: UUID(int=9),
    "actor": lambda row: "mallory",
    "reason": lambda row: "because",
    "command_id": lambda row: UUID(int=9),
    "correlation_id": lambda row: UUID(int=9),
    "causation_id": lambda row: UUID(int=9),
    "recorded_at": lambda row: row.recorded_at + timedelta(microseconds=1),
    "version": lambda row: row.version + 100,
    "hash": lambda row: bytes(32),
}


@pytest.mark.parametrize("position", [1, 4, _LAST])
@pytest.mark.parametrize("column", _CHANGES)
def test_an_event_changed_by_hand_is_found_by_position(
    engine: Engine, database_url: URL, org_id: UUID, column: str, position: int
) -> None:
    row = read_log(engine, org_id)[position - 1]
    with tampering(database_url) as conn:
        conn.execute(_update(org_id, position).values({column: _raw(conn, _CHANGES, column, row)}))
    assert verify(engine, org_id) == (position - 1, position)


def _raw(
    conn: Connection,
    changes: dict[str, Callable[[StoredEvent], Any]],
    column: str,
    row: StoredEvent,
) -> Any:
    value = changes[column](row)
    if column == "payload" and conn.dialect.name == "postgresql":
        return _as_jsonb(value)
    return value


def _as_jsonb(text: str) -> Any:
    return cast(literal(text, Text), JSONB)


def _update(org_id: UUID, position: int) -> Any:
    return update(events).where(events.c.org_id == org_id, events.c.position == position)


def test_every_changed_header_column_is_covered() -> None:
    assert set(_CHANGES) == set(StoredEvent._fields) - {"org_id", "position"}


def test_one_bit_of_a_size_is_enough(engine: Engine, database_url: URL, org_id: UUID) -> None:
    row = read_log(engine, org_id)[4]
    assert row.type == "file.part_uploaded"
    changed = row.payload.replace('"size_bytes":10', '"size_bytes":11').replace(
        '"size_bytes": 10', '"size_bytes": 11'
    )
    assert changed != row.payload
    with tampering(database_url) as conn:
        value = _as_jsonb(changed) if conn.dialect.name == "postgresql" else changed
        conn.execute(_update(org_id, 5).values(payload=value))
    assert verify(engine, org_id) == (4, 5)


def test_an_event_changed_with_a_matching_hash_is_found_at_the_next_one(
    engine: Engine, database_url: URL, org_id: UUID
) -> None:
    history = read_log(engine, org_id)
    forged = _changed_with_hash(history, 4, actor="mallory")
    with tampering(database_url) as conn:
        conn.execute(_update(org_id, 4).values(actor=forged.actor, hash=forged.hash))
    assert verify(engine, org_id) == (4, 5)


def test_the_last_event_changed_with_a_matching_hash_is_found_by_the_logs_head(
    engine: Engine, database_url: URL, org_id: UUID
) -> None:
    forged = _changed_with_hash(read_log(engine, org_id), _LAST, actor="mallory")
    with tampering(database_url) as conn:
        conn.execute(_update(org_id, _LAST).values(actor=forged.actor, hash=forged.hash))
    assert verify(engine, org_id) == (_LAST - 1, _LAST)


def _changed_with_hash(history: list[StoredEvent], position: int, **changes: Any) -> StoredEvent:
    row = history[position - 1]
    payload = canonical_json.canonical(canonical_json.load_document(row.payload))
    previous = history[position - 2].hash if position > 1 else GENESIS_HASH
    head = Head(position - 1, None, previous)
    return hash_chain.with_hash(head, row._replace(payload=payload, **changes))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("payload", "garbage"),
        ("payload", ""),
        ("payload", "[]"),
        ("payload", "null"),
        ("recorded_at", "soon"),
        ("event_id", "nobody"),
    ],
)
def test_an_unreadable_event_is_found_by_position(
    sqlite_engine: Engine, sqlite_url: URL, column: str, text: str
) -> None:
    """SQLite accepts any text in any column; PostgreSQL does not."""
    org_id = create_organization(Handler(sqlite_engine))
    create_file(Handler(sqlite_engine), org_id)
    with tampering(sqlite_url) as conn:
        conn.exec_driver_sql(f"UPDATE events SET {column} = ? WHERE position = 2", (text,))
    assert verify(sqlite_engine, org_id) == (1, 2)


def test_a_field_written_twice_is_found(sqlite_engine: Engine, sqlite_url: URL) -> None:
    """Readers disagree: Python uses the last of two equal keys, SQLite's json_extract the first."""
    handler = Handler(sqlite_engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 10)
    with tampering(sqlite_url) as conn:
        conn.exec_driver_sql(
            "UPDATE events SET payload = '{\"size_bytes\":999,' || substr(payload, 2) "
            "WHERE position = 4"
        )
    assert verify(sqlite_engine, org_id) == (3, 4)


# --- removed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [1, 4, _LAST])
def test_an_event_removed_by_hand_is_found_by_position(
    engine: Engine, database_url: URL, org_id: UUID, position: int
) -> None:
    with tampering(database_url) as conn:
        conn.execute(delete(events).where(events.c.position == position))
    assert verify(engine, org_id) == (position - 1, position)


@pytest.mark.parametrize("position", [1, 4])
def test_an_event_removed_and_the_others_moved_up_is_found_by_position(
    engine: Engine, database_url: URL, org_id: UUID, position: int
) -> None:
    with tampering(database_url) as conn:
        conn.execute(delete(events).where(events.c.position == position))
        for later in range(position + 1, _LAST + 1):
            conn.execute(_update(org_id, later).values(position=later - 1))
    assert verify(engine, org_id) == (position - 1, position)


def test_a_log_without_events_is_broken_at_the_first(
    engine: Engine, database_url: URL, org_id: UUID
) -> None:
    with tampering(database_url) as conn:
        conn.execute(delete(events))
    assert verify(engine, org_id) == (0, 1)


def test_a_log_without_its_head_is_broken_at_the_first(
    engine: Engine, database_url: URL, org_id: UUID
) -> None:
    with tampering(database_url) as conn:
        conn.execute(delete(logs))
    assert verify(engine, org_id) == (0, 1)


# --- inserted, swapped ----------------------------------------------------------------------------


def _insert_at(conn: Connection, history: list[StoredEvent], forged: StoredEvent) -> None:
    for each in reversed(history[forged.position - 1 :]):
        conn.execute(_update(each.org_id, each.position).values(position=each.position + 1))
    row = forged._asdict()
    if conn.dialect.name == "postgresql":
        row["payload"] = _as_jsonb(forged.payload)
        conn.execute(insert(events).values(row))
    else:
        conn.execute(insert(events), row)


@pytest.mark.parametrize("position", [1, 4, _LAST, _LAST + 1])
def test_an_event_inserted_by_hand_is_found_by_position(
    engine: Engine, database_url: URL, org_id: UUID, position: int
) -> None:
    history = read_log(engine, org_id)
    forged = history[1]._replace(
        position=position, stream_id=UUID(int=9), version=1, event_id=UUID(int=9)
    )
    with tampering(database_url) as conn:
        _insert_at(conn, history, forged)
    assert verify(engine, org_id) == (position - 1, position)


@pytest.mark.parametrize("position", [1, 4, _LAST])
def test_an_event_inserted_with_a_matching_hash_is_found_at_the_next_one(
    engine: Engine, database_url: URL, org_id: UUID, position: int
) -> None:
    history = read_log(engine, org_id)
    forged = _forged_with_hash(history, position)
    with tampering(database_url) as conn:
        _insert_at(conn, history, forged)
    assert verify(engine, org_id) == (position, position + 1)


def test_an_event_appended_with_a_matching_hash_is_found_by_the_logs_head(
    engine: Engine, database_url: URL, org_id: UUID
) -> None:
    history = read_log(engine, org_id)
    with tampering(database_url) as conn:
        _insert_at(conn, history, _forged_with_hash(history, _LAST + 1))
    assert verify(engine, org_id) == (_LAST, _LAST + 1)


def _forged_with_hash(history: list[StoredEvent], position: int) -> StoredEvent:
    head = Head(position - 1, None, history[position - 2].hash if position > 1 else GENESIS_HASH)
    return hash_chain.with_hash(
        head,
        history[1]._replace(
            position=position,
            stream_id=UUID(int=9),
            version=1,
            event_id=UUID(int=9),
            payload="{}",
            recorded_at=history[max(position - 2, 0)].recorded_at,
        ),
    )


@pytest.mark.parametrize(("one", "other"), [(1, 2), (4, 5), (3, 7), (_LAST - 1, _LAST)])
def test_events_swapped_by_hand_are_found_at_the_first_of_them(
    engine: Engine, database_url: URL, org_id: UUID, one: int, other: int
) -> None:
    with tampering(database_url) as conn:
        conn.execute(_update(org_id, one).values(position=1_000))
        conn.execute(_update(org_id, other).values(position=one))
        conn.execute(_update(org_id, 1_000).values(position=other))
    assert verify(engine, org_id) == (one - 1, one)


def test_a_log_head_moved_by_hand_is_found(engine: Engine, database_url: URL, org_id: UUID) -> None:
    with tampering(database_url) as conn:
        conn.execute(update(logs).values(position=_LAST + 1))
    assert verify(engine, org_id) == (_LAST, _LAST + 1)
    with tampering(database_url) as conn:
        conn.execute(update(logs).values(position=_LAST, head_hash=bytes(32)))
    assert verify(engine, org_id) == (_LAST - 1, _LAST)


def test_tampering_with_one_log_breaks_no_other(
    engine: Engine, handler: Handler, database_url: URL, org_id: UUID
) -> None:
    other_id = create_organization(handler, "other")
    with tampering(database_url) as conn:
        conn.execute(_update(other_id, 1).values(actor="mallory"))
    assert verify(engine, org_id) == (_LAST, None)
    assert verify(engine, other_id) == (0, 1)


def test_an_event_dated_before_the_one_before_it_is_found(
    engine: Engine, database_url: URL, org_id: UUID
) -> None:
    last = read_log(engine, org_id)[-1]
    earlier = last._replace(
        position=_LAST + 1,
        stream_id=UUID(int=9),
        version=1,
        event_id=UUID(int=9),
        recorded_at=last.recorded_at - timedelta(microseconds=1),
    )
    forged = hash_chain.with_hash(Head(_LAST, last.recorded_at, last.hash), earlier)
    with tampering(database_url) as conn:
        conn.execute(insert(events).values(forged._asdict()))
        conn.execute(update(logs).values(position=_LAST + 1, head_hash=forged.hash))
    assert verify(engine, org_id) == (_LAST, _LAST + 1)


def test_the_hash_of_an_event_never_changes() -> None:
    """Storage format: with another value every existing log would be broken."""
    row = StoredEvent(
        org_id=UUID(int=1),
        position=1,
        stream_id=UUID(int=1),
        version=1,
        type="organization.created",
        schema_version=1,
        payload='{"created_at":"2026-03-01T12:00:00.000000Z","name":"acme"}',
        event_id=UUID(int=2),
        actor="ada",
        reason=None,
        command_id=UUID(int=3),
        correlation_id=UUID(int=3),
        causation_id=None,
        recorded_at=NOON,
        hash=b"",
    )
    assert hash_chain.chain_hash(GENESIS_HASH, row).hex() == _KNOWN_HASH
    assert hash_chain.chain_hash(bytes([1]) * 32, row).hex() != _KNOWN_HASH


_KNOWN_HASH = "1b5bd08de9e5d092c416ac52835d82045937c7572c03708218f9a77ff3e3d5ff"


def test_a_hash_includes_only_the_digest_of_the_payload(engine: Engine, org_id: UUID) -> None:
    """A payload could be erased while its digest is kept, without a break of the chain."""
    history = read_log(engine, org_id)
    previous = GENESIS_HASH
    for row in history:
        payload = canonical_json.canonical(canonical_json.load_document(row.payload))
        digest = hashlib.sha256(payload.encode()).digest()
        header = canonical_json.canonical(
            [
                str(row.org_id),
                row.position,
                str(row.stream_id),
                row.version,
                row.type,
                row.schema_version,
                str(row.event_id),
                row.actor,
                row.reason,
                str(row.command_id),
                str(row.correlation_id),
                str(row.causation_id) if row.causation_id is not None else None,
                canonical_json.format_instant(row.recorded_at),
            ]
        )
        assert row.hash == hashlib.sha256(previous + digest + header.encode()).digest()
        previous = row.hash
