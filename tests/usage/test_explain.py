"""Each row of an explanation equals a computation in Python, and failed checks are reported."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import URL, Connection, Engine, delete, func, select, update
from sqlalchemy.sql.base import Executable

from catactl.domain.organization import ChangeStorageUsage, CorrectStorageUsage, SetQuota
from catactl.errors import CorruptLog
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.store import log_queries
from catactl.store.event_log import StoredEvent
from catactl.store.sql.engine import reading
from catactl.store.tables import events, organizations, storage_usage
from catactl.usage.explain import Entry, Kind, explain
from catactl.usage.recompute import recompute
from tests.support import (
    INTENT,
    Clock,
    create_file,
    create_organization,
    delete_file,
    opened,
    read_log,
    restore_file,
    run,
    upload,
    usage,
)

Tamper = Callable[[Connection], None]


class Past(NamedTuple):
    org_id: UUID
    log: list[StoredEvent]
    rows: list[tuple[Any, ...]]


@pytest.fixture
def past(engine: Engine) -> Past:
    """Create parts, replaced parts, deletes, restores, a correction, and events without usage."""
    chance = random.Random(11)
    clock = Clock()
    handler = Handler(engine, clock=clock)
    org_id = create_organization(handler)
    file_ids = [create_file(handler, org_id, name) for name in ("a", "b/c", "ü")]
    deleted: set[UUID] = set()
    for step in range(35):
        clock.advance(seconds=chance.choice([0, 1, 90_000]))
        file_id = chance.choice(file_ids)
        match chance.randrange(6):
            case 0 if file_id in deleted:
                restore_file(handler, org_id, file_id)
                deleted.remove(file_id)
            case 1 if file_id not in deleted:
                delete_file(handler, org_id, file_id)
                deleted.add(file_id)
            case 2:
                run(handler, org_id, org_id, SetQuota(10**18 + step))
            case _ if file_id not in deleted:
                size_bytes = chance.randrange(10 ** chance.randint(1, 15))
                upload(handler, org_id, file_id, chance.randint(1, 3), size_bytes)
            case _:
                pass
        if step == 25:
            exact = usage(engine, org_id)
            drifted = CorrectStorageUsage(exact[0] + 3, *exact[1:], "test", 0)
            run(handler, org_id, org_id, drifted, Intent("ada", reason="drift"))
    log = read_log(engine, org_id)
    return Past(org_id, log, list(_expected(log)))


def _expected(log: list[StoredEvent]) -> Iterator[tuple[Any, ...]]:
    """Yield the expected rows. Their sizes come from parts, never from a stored difference."""
    names: dict[UUID, str] = {}
    parts: dict[UUID, dict[int, int]] = {}
    by_id = {each.event_id: each for each in log}
    used = 0
    for each in log:
        payload = json.loads(each.payload)
        if each.type == "organization.storage_usage_corrected":
            delta = payload["used_bytes"] - used
            used += delta
            yield each.position, delta, used, "correction", None, None, None, None
        if each.type != "organization.storage_usage_changed":
            continue
        assert each.causation_id is not None
        cause = by_id[each.causation_id]
        payload, file_id = json.loads(cause.payload), cause.stream_id
        mine = parts.setdefault(file_id, {})
        number = None
        match cause.type:
            case "file.created":
                names[file_id], delta = payload["name"], 0
            case "file.part_uploaded":
                number = payload["number"]
                delta = payload["size_bytes"] - mine.get(number, 0)
                mine[number] = payload["size_bytes"]
            case "file.deleted":
                delta = -sum(mine.values())
            case _:
                delta = sum(mine.values())
        used += delta
        what = cause.type.removeprefix("file.")
        yield each.position, delta, used, what, cause.position, file_id, names[file_id], number


def _row(entry: Entry) -> tuple[Any, ...]:
    assert entry.delta is not None
    return (
        entry.position,
        entry.delta.used_bytes,
        entry.figures.used_bytes,
        entry.cause,
        entry.cause_position,
        entry.file_id,
        entry.file_name,
        entry.part_number,
    )


def _used_at(past: Past, position: int) -> int:
    return next((row[2] for row in reversed(past.rows) if row[0] <= position), 0)


def test_every_row_equals_the_sum_of_the_events(engine: Engine, past: Past) -> None:
    with reading(engine) as conn:
        opening, *entries, closing = explain(conn, past.org_id)
    assert (opening.kind, opening.position, opening.figures.used_bytes) == (Kind.OPENING, 0, 0)
    assert [_row(entry) for entry in entries] == past.rows
    assert {row[3] for row in past.rows} == {
        "created",
        "part_uploaded",
        "deleted",
        "restored",
        "correction",
    }
    (corrected,) = [entry for entry in entries if entry.cause == "correction"]
    assert (corrected.actor, corrected.reason) == ("ada", "drift")
    assert (closing.kind, closing.position) == (Kind.CLOSING, past.log[-1].position)
    assert tuple(closing.figures) == usage(engine, past.org_id)
    assert not any(entry.problem for entry in (*entries, closing))


def test_every_range_equals_a_part_of_the_whole(engine: Engine, past: Past) -> None:
    chance = random.Random(12)
    last = past.log[-1].position
    with reading(engine) as conn:
        for _ in range(12):
            after, until = sorted(chance.choices(range(last + 1), k=2))
            opening, *entries, closing = explain(conn, past.org_id, after, until)
            assert (opening.position, closing.position) == (after, until)
            assert opening.figures.used_bytes == _used_at(past, after)
            assert closing.figures.used_bytes == _used_at(past, until)
            expected = [row for row in past.rows if after < row[0] <= until]
            assert [_row(entry) for entry in entries if entry.kind is Kind.EVENT] == expected
            # A position may separate a file event from its usage event; a time never does.
            assert len(entries) - len(expected) <= 1
        for count in (1, 2, len(past.rows), len(past.rows) + 1, 2**70):
            after = log_queries.before_last_usage(conn, past.org_id, count)
            opening, *entries, _ = explain(conn, past.org_id, after)
            assert [_row(entry) for entry in entries] == past.rows[-count:]
            assert opening.figures.used_bytes == _used_at(past, after)
        for each in past.log[:: len(past.log) // 8]:  # a time never separates a command's events
            position = log_queries.position_before(conn, past.org_id, each.recorded_at)
            assert position == sum(other.recorded_at < each.recorded_at for other in past.log)
            assert not any(entry.problem for entry in explain(conn, past.org_id, 0, position))
            assert not any(entry.problem for entry in explain(conn, past.org_id, position))


# --- failed checks --------------------------------------------------------------------------------


@pytest.fixture
def filled(handler: Handler) -> UUID:
    """Create usage events at positions 3 to 11: created, 100, 50, 130 instead of 100, deleted."""
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 100)
    upload(handler, org_id, file_id, 2, 50)
    upload(handler, org_id, file_id, 1, 130, "0" * 64)
    delete_file(handler, org_id, file_id)
    return org_id


def _rewritten(position: int, **fields: int) -> Tamper:
    def tamper(conn: Connection) -> None:
        here = events.c.position == position
        payload = json.loads(conn.execute(select(events.c.payload).where(here)).scalar_one())
        changed = json.dumps(payload | fields)
        conn.execute(update(events).where(here).values(payload=changed))

    return tamper


def _caused_by(position: int, cause: int) -> Tamper:
    def tamper(conn: Connection) -> None:
        other = select(events.c.event_id).where(events.c.position == cause).scalar_subquery()
        conn.execute(update(events).where(events.c.position == position).values(causation_id=other))

    return tamper


def _done(statement: Executable) -> Tamper:
    def tamper(conn: Connection) -> None:
        conn.execute(statement)

    return tamper


_TAMPERED: dict[str, tuple[Tamper, list[tuple[int, str]]]] = {
    "running figure": (
        _rewritten(7, used_bytes=999),
        [
            (7, "has 999 bytes, but the usage before plus its change is 150 bytes"),
            (9, "is 1,029 bytes"),
        ],
    ),
    "running count": (
        _rewritten(11, part_count=7),
        [(11, "has 7 parts"), (11, "but the sum of the events is 7 parts")],
    ),
    "delta": (
        _rewritten(9, delta_bytes=31),
        [(9, "is 181 bytes; its change is 31 bytes")],
    ),
    "delta and figure": (
        _rewritten(11, delta_bytes=-179, used_bytes=1),
        [(11, "its change is -179 bytes"), (11, "usage show reports 0 bytes, but")],
    ),
    "size of a part": (_rewritten(6, size_bytes=51), [(7, "its cause changes usage by 51 bytes")]),
    "replaced bytes": (
        _rewritten(8, replaced_bytes=99),
        [(9, "its cause changes usage by 31 bytes")],
    ),
    "released bytes": (
        _rewritten(10, released_bytes=7),
        [(11, "its cause changes usage by -7 bytes")],
    ),
    "cause": (
        _caused_by(9, 6),
        [(9, "it has no file event as its cause"), (8, "it has no usage event")],
    ),
    "usage event gone": (
        _done(delete(events).where(events.c.position == 7)),
        [(6, "it has no usage event"), (9, "is 130 bytes")],
    ),
    "file event gone": (
        _done(delete(events).where(events.c.position == 6)),
        [(7, "it has no file event as its cause")],
    ),
    "organization": (
        _done(update(organizations).values(used_bytes=7)),
        [(11, "org show reports 7 bytes")],
    ),
    "projection": (
        _done(update(storage_usage).values(used_bytes=7)),
        [(11, "usage show reports 7 bytes, but the sum of the events is 0 bytes")],
    ),
}


@contextmanager
def _tampered(engine: Engine, tamper: Tamper) -> Iterator[Connection]:
    with engine.connect() as conn:  # rolled back
        tamper(conn)
        yield conn


def test_the_row_of_a_failed_check_describes_the_problem(engine: Engine, filled: UUID) -> None:
    for what, (tamper, expected) in _TAMPERED.items():
        with _tampered(engine, tamper) as conn:
            problems = [entry for entry in explain(conn, filled) if entry.problem is not None]
        assert [entry.position for entry in problems] == [at for at, _ in expected], what
        for entry, (_, problem) in zip(problems, expected, strict=True):
            assert problem in (entry.problem or ""), what
    with reading(engine) as conn:
        assert not any(entry.problem for entry in explain(conn, filled))


def test_a_second_usage_event_with_the_same_cause_is_reported(
    handler: Handler, engine: Engine
) -> None:
    org_id = create_organization(handler)
    upload(handler, org_id, create_file(handler, org_id), 1, 100)
    run(handler, org_id, org_id, ChangeStorageUsage(5, 0, 0))

    def tamper(conn: Connection) -> None:
        _caused_by(6, 4)(conn)
        own = select(events.c.correlation_id).where(events.c.position == 4).scalar_subquery()
        conn.execute(update(events).where(events.c.position == 6).values(correlation_id=own))

    with _tampered(engine, tamper) as conn:
        *_, doubled, _closing = explain(conn, org_id)
    assert (doubled.position, doubled.cause) == (6, None)
    assert "its cause has another usage event" in (doubled.problem or "")


def test_a_command_may_begin_before_the_range(engine: Engine, filled: UUID) -> None:
    """Give two uploads to one command. The range begins with the usage event of the second."""
    one = update(events).where(events.c.position.between(4, 7)).values(correlation_id=filled)
    gone = delete(events).where(events.c.position == 5)
    for statements in ((one,), (one, gone)):
        with engine.connect() as conn:  # rolled back
            for statement in statements:
                conn.execute(statement)
            opening, *entries, _ = explain(conn, filled, 6)
        assert [entry.position for entry in entries] == [7, 9, 11]
        assert entries[0].cause_position == 6
        broken = [entry.position for entry in entries if entry.problem is not None]
        assert broken == ([] if opening.figures.used_bytes == 100 else [7])


def test_an_event_that_cannot_be_read_is_an_error_with_its_position(
    engine: Engine, filled: UUID
) -> None:
    for position in (6, 7):
        with (
            _tampered(engine, _rewritten(position, more=1)) as conn,
            pytest.raises(CorruptLog, match=f"^position {position}: "),
        ):
            list(explain(conn, filled))
    gone = update(events).where(events.c.position == 11).values(payload="{}")
    with (
        _tampered(engine, _done(gone)) as conn,
        pytest.raises(CorruptLog, match="before position 12 has no figures"),
    ):
        list(explain(conn, filled, 11))


def test_a_correction_settles_earlier_problems(
    engine: Engine, filled: UUID, database_url: URL
) -> None:
    with engine.begin() as conn:
        _rewritten(11, used_bytes=7)(conn)
    with opened(database_url) as other:
        (finding,) = recompute(Handler(other), other, [filled], INTENT)
    assert finding.correction == "event"
    with reading(engine) as conn:
        head = conn.execute(select(func.max(events.c.position))).scalar_one()
        entries = list(explain(conn, filled))
    assert [entry.settled_by for entry in entries if entry.problem is not None] == [head]
    assert (entries[-2].cause, entries[-2].delta) == ("correction", (-7, 0, 0))
