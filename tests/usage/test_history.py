"""Usage at any moment and over any interval equals a computation in plain Python."""

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import URL, Engine, delete, insert, select

from catactl.domain.organization import (
    ClearQuota,
    CorrectClock,
    CorrectStorageUsage,
    RenameOrganization,
    SetQuota,
)
from catactl.handling.handler import Handler
from catactl.queries import as_of
from catactl.queries.as_of import Point
from catactl.store import log_queries
from catactl.store.event_log import StoredEvent
from catactl.store.sql.engine import reading
from catactl.store.tables import storage_usage_days
from catactl.usage.day_check import broken_days
from catactl.usage.history import usage_history
from catactl.values.times import Every, Interval, microseconds
from tests.support import (
    NOON,
    Clock,
    FileReplay,
    Usage,
    create_file,
    create_organization,
    dated,
    delete_file,
    read_log,
    restore_file,
    run,
    tampering,
    upload,
    usage,
)


class Past(NamedTuple):
    org_id: UUID
    file_ids: list[UUID]
    log: list[StoredEvent]

    def moments(self, chance: random.Random) -> list[datetime]:
        """Return moments at, between, before and after events, and midnights."""
        recorded = [each.recorded_at for each in self.log]
        near = [each + timedelta(microseconds=1) for each in chance.sample(recorded, 4)]
        spread = [
            recorded[0] + timedelta(seconds=chance.randint(-90_000, 40 * 86_400)) for _ in range(6)
        ]
        return [
            *chance.sample(recorded, 4),
            *near,
            *spread,
            *(Every.DAY.floor(each) for each in spread[:3]),
        ]


@pytest.fixture(params=["right clock", "wrong clock"])
def past(request: pytest.FixtureRequest, engine: Engine) -> Past:
    """Create a month of parts, replaced parts, deletes, restores, quotas, names and a correction.

    With the wrong clock it is wrong and corrected three times. Events are dated by the time from
    which they count.
    """
    chance = random.Random(0)
    ahead_days = {15: 1_500, 16: 2, 38: 3} if request.param == "wrong clock" else {}
    clock = Clock(NOON.replace(month=2, day=24, year=2024))
    handler = Handler(engine, clock=clock)
    org_id = create_organization(handler)
    file_ids = [create_file(handler, org_id, name) for name in "abc"]
    deleted: set[UUID] = set()
    for step in range(45):
        clock.advance(
            seconds=chance.choice([0, 1, 3_600, 90_000]), microseconds=chance.randrange(10**6)
        )
        file_id = chance.choice(file_ids)
        match chance.randrange(8):
            case 0 if file_id in deleted:
                restore_file(handler, org_id, file_id)
                deleted.remove(file_id)
            case 1 if file_id not in deleted:
                delete_file(handler, org_id, file_id)
                deleted.add(file_id)
            case 2:
                run(handler, org_id, org_id, SetQuota(10**18 + step))
            case 3:
                run(handler, org_id, org_id, ClearQuota())
            case 4:
                run(handler, org_id, org_id, RenameOrganization(f"acme-{step}"))
            case _ if file_id not in deleted:
                size_bytes = chance.randrange(10 ** chance.randint(1, 15))
                upload(handler, org_id, file_id, chance.randint(1, 4), size_bytes)
            case _:
                pass
        if step in ahead_days:
            clock.advance(days=ahead_days[step])
            run(handler, org_id, org_id, SetQuota(10**17 + step))
            upload(handler, org_id, create_file(handler, org_id, f"{step}"), 1, 10**14 + step)
            clock.advance(days=-ahead_days[step])
            last = read_log(engine, org_id)[-1].recorded_at
            run(handler, org_id, org_id, CorrectClock(last, clock.now))
        if step == 30:
            exact = usage(engine, org_id)  # pretend that usage had drifted by three bytes
            run(handler, org_id, org_id, CorrectStorageUsage(exact[0] + 3, *exact[1:], "test", 0))
    return Past(org_id, file_ids, dated(read_log(engine, org_id)))


def _usage_steps(log: list[StoredEvent]) -> Iterator[tuple[datetime, Usage]]:
    """Yield the usage after each event, from the file events and the differences of corrections."""
    replay, corrected = FileReplay(), 0
    for each in log:
        replay.apply(each.stream_id, each.type, each.payload)
        if each.type == "organization.storage_usage_corrected":
            payload = json.loads(each.payload)
            corrected += payload["used_bytes"] - payload["before_bytes"]
        usage = replay.usage()
        yield each.recorded_at, usage._replace(used_bytes=usage.used_bytes + corrected)


def _at(log: list[StoredEvent], moment: datetime) -> dict[str, Any]:
    """Return the figures, quota, name and position at a moment, from the events."""
    found: dict[str, Any] = {"quota_bytes": None}
    found |= next(
        (usage for at, usage in reversed(list(_usage_steps(log))) if at <= moment), Usage(0, 0, 0)
    )._asdict()
    for each in log:
        if each.recorded_at > moment:
            break
        payload = json.loads(each.payload)
        if each.type == "organization.quota_set":
            found["quota_bytes"] = payload["quota_bytes"]
        elif each.type == "organization.quota_cleared":
            found["quota_bytes"] = None
        elif each.type in {"organization.created", "organization.renamed"}:
            found["name"] = payload["name"]
        found["position"] = each.position
    return found


def _over(log: list[StoredEvent], start: datetime, end: datetime) -> tuple[int, int, int, int]:
    """Return opening, closing and peak bytes, and the integral, step by step."""
    steps = [(moment, usage.used_bytes) for moment, usage in _usage_steps(log)]
    level = next((used for moment, used in reversed(steps) if moment < start), 0)
    opening = peak = level
    since, total = start, 0
    for moment, used in steps:
        if start <= moment < end:
            total += level * microseconds(moment - since)
            since, level = moment, used
            peak = max(peak, used)
    return opening, level, peak, total + level * microseconds(end - since)


def test_usage_at_any_moment_equals_the_events_until_then(engine: Engine, past: Past) -> None:
    with reading(engine) as conn:
        for moment in past.moments(random.Random(7)):
            expected = _at(past.log, moment)
            position = log_queries.position_at(conn, past.org_id, moment)
            assert position == expected.get("position", 0)
            if position:
                found = as_of.usage(conn, past.org_id, moment)
                assert as_of.list_usage(conn, [past.org_id], moment) == [found]
                assert expected.items() <= found.items()
                organization = as_of.organization(conn, past.org_id, Point(moment))
                assert organization["used_bytes"] == expected["used_bytes"]


def test_usage_over_any_interval_is_the_integral_of_its_steps(engine: Engine, past: Past) -> None:
    chance = random.Random(8)
    with reading(engine) as conn:
        for start in past.moments(chance):
            length = timedelta(
                seconds=chance.choice([0, 1, 5_000, 86_400, chance.randrange(10**6)])
            )
            interval = Interval(start, start + length)
            for every in Every:
                spans = list(usage_history(conn, past.org_id, interval, every))
                assert [Interval(span.start, span.end) for span in spans] == list(
                    every.buckets(interval)
                )
                for span in spans:
                    assert tuple(span)[2:] == _over(past.log, span.start, span.end)


def test_the_check_accepts_correct_days_and_finds_every_changed_day(
    engine: Engine, database_url: URL, past: Past
) -> None:
    column = storage_usage_days.c
    with reading(engine) as conn:
        assert broken_days(conn, [past.org_id]) == {}
        rows = [row._asdict() for row in conn.execute(select(storage_usage_days))]
    chance = random.Random(9)
    others: dict[str, Any] = {
        "opening_bytes": 1,
        "closing_bytes": 1,
        "peak_bytes": 1,
        "byte_microseconds": 1,
        "changed_at": timedelta(microseconds=1),
        "day": timedelta(days=-1_000),
    }
    for field, more in others.items():
        row = chance.choice(rows)
        its_own = (column.org_id == past.org_id, column.day == row["day"])
        with tampering(database_url) as conn:
            conn.execute(delete(storage_usage_days).where(*its_own))
        with reading(engine) as conn:
            assert broken_days(conn, [past.org_id]) == {past.org_id: 1}
        with tampering(database_url) as conn:
            conn.execute(insert(storage_usage_days).values({**row, field: row[field] + more}))
        count = 2 if field == "day" else 1  # one is missing, one has no event
        with reading(engine) as conn:
            assert broken_days(conn, [past.org_id]) == {past.org_id: count}
        with tampering(database_url) as conn:
            moved = {**row, field: row[field] + more}["day"]
            conn.execute(delete(storage_usage_days).where(column.day == moved))
            conn.execute(insert(storage_usage_days).values(row))
    with reading(engine) as conn:
        assert broken_days(conn, [past.org_id]) == {}


def test_every_past_version_can_be_shown(engine: Engine, past: Past) -> None:
    with reading(engine) as conn:
        for each in past.log:
            point = Point(version=each.version)
            if each.stream_id == past.org_id:
                shown = as_of.organization(conn, past.org_id, point)["version"]
            else:
                shown = as_of.file(conn, past.org_id, each.stream_id, point)["version"]
            assert shown == each.version
            version = log_queries.version_at(conn, past.org_id, each.stream_id, each.position)
            assert version == each.version
