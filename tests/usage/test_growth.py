"""Growth equals a computation in plain Python; estimates equal given examples."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine

from catactl.domain.organization import DeleteOrganization, SetQuota
from catactl.handling.handler import Handler
from catactl.store.event_log import StoredEvent
from catactl.store.sql.engine import reading
from catactl.usage.growth import (
    get_usage,
    largest,
    list_usage,
    quota_reached_estimate,
    used_percent,
)
from catactl.values.sizes import MAX_BYTES
from tests.support import (
    NOON,
    Clock,
    create_file,
    create_organization,
    delete_file,
    read_log,
    run,
    upload,
)

DAYS = timedelta(days=1)


@pytest.mark.parametrize(
    ("now", "used", "quota", "grown", "period", "expected"),
    [
        # a byte a day, ten bytes to go
        (NOON, 90, 100, 30, 30 * DAYS, date(2026, 3, 11)),
        # half a day sooner and later
        (NOON, 90, 100, 30, 28.5 * DAYS, date(2026, 3, 11)),
        (NOON, 90, 100, 30, 31.5 * DAYS, date(2026, 3, 12)),
        # reached at midnight, a fifth of a microsecond before it, and a whole one
        (NOON, 90, 91, 5, 2.5 * DAYS, date(2026, 3, 2)),
        (NOON, 90, 91, 5, 2.5 * DAYS - timedelta(microseconds=1), date(2026, 3, 2)),
        (NOON, 90, 91, 5, 2.5 * DAYS - timedelta(microseconds=5), date(2026, 3, 1)),
        # a leap day is a day, and 2026 has none
        (datetime(2024, 2, 27, tzinfo=UTC), 0, 2, 30, 30 * DAYS, date(2024, 2, 29)),
        (datetime(2026, 2, 27, tzinfo=UTC), 0, 2, 30, 30 * DAYS, date(2026, 3, 1)),
        # the largest sizes
        (NOON, 2**62, MAX_BYTES, 2**62 - 1, 2 * DAYS, date(2026, 3, 3)),
        (NOON, 0, MAX_BYTES, MAX_BYTES - 1, 3 * DAYS, date(2026, 3, 4)),
        (NOON, MAX_BYTES - 1, MAX_BYTES, MAX_BYTES - 1, 30 * DAYS, date(2026, 3, 1)),
        # the last day that has a date, the next one, and far beyond
        (datetime(9999, 12, 30, tzinfo=UTC), 1, 2, 2, 2 * DAYS, date(9999, 12, 31)),
        (datetime(9999, 12, 30, tzinfo=UTC), 1, 3, 2, 2 * DAYS, None),
        (NOON, 1, 10**15, 1, 30 * DAYS, None),
        (NOON, 1, MAX_BYTES, 1, 31 * DAYS, None),
        # already reached or exceeded
        (NOON, 100, 100, 30, 30 * DAYS, None),
        (NOON, 101, 100, 30, 30 * DAYS, None),
        (NOON, 0, 0, 0, 30 * DAYS, None),
        # no quota, no growth, too short a period
        (NOON, 90, None, 30, 30 * DAYS, None),
        (NOON, 90, 100, 0, 30 * DAYS, None),
        (NOON, 90, 100, -30, 30 * DAYS, None),
        (NOON, 90, 100, 30, 47 * DAYS / 24, None),
        (NOON, 90, 100, 30, -DAYS, None),
    ],
)
def test_the_estimate_assumes_that_growth_continues(
    now: datetime,
    used: int,
    quota: int | None,
    grown: int,
    period: timedelta,
    expected: date | None,
) -> None:
    assert quota_reached_estimate(now, used, quota, grown, period) == expected


def test_used_percent_is_exact_and_rounded_down() -> None:
    assert [used_percent(used, 200) for used in (0, 1, 199, 200, 401)] == [0, 0, 99, 100, 200]
    assert used_percent(MAX_BYTES - 1, MAX_BYTES) == 99
    assert (used_percent(0, 0), used_percent(1, 0)) == (0, 100)


@pytest.fixture
def org_ids(engine: Engine) -> list[UUID]:
    """Create organizations at noon whose usage rises and falls in the two months after."""
    chance = random.Random(5)
    org_ids = []
    for number in range(6):
        clock = Clock(NOON + timedelta(hours=chance.randrange(200)))
        handler = Handler(engine, clock=clock)
        org_ids.append(org_id := create_organization(handler, f"acme-{number}"))
        file_id = create_file(handler, org_id)
        for step in range(number * 4):
            clock.advance(seconds=chance.choice([1, 3_600, 90_000, 400_000]), microseconds=step)
            upload(handler, org_id, file_id, 1, chance.randrange(10 ** chance.randint(1, 16)))
        if number % 2:
            run(handler, org_id, org_id, SetQuota(10**16))
        if number == 4:
            delete_file(handler, org_id, file_id)
    return org_ids


def _used(log: list[StoredEvent], before: datetime | None = None) -> int:
    """Return the usage in the last of all events, or of the events before a moment."""
    figures = [
        json.loads(each.payload)["used_bytes"]
        for each in log
        if each.type == "organization.storage_usage_changed"
        and (before is None or each.recorded_at < before)
    ]
    return figures[-1] if figures else 0


def test_growth_equals_the_difference_in_the_events(engine: Engine, org_ids: list[UUID]) -> None:
    chance = random.Random(6)
    logs = {org_id: read_log(engine, org_id) for org_id in org_ids}
    estimates = set()
    for _ in range(12):
        now = NOON + timedelta(days=chance.randrange(70), seconds=chance.randrange(86_400))
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        with reading(engine) as conn:
            rows = list(list_usage(conn, now))
            assert [get_usage(conn, org_id, now) for org_id in org_ids] == rows
        for org_id, row in zip(org_ids, rows, strict=True):
            used = _used(logs[org_id])
            week, month = (_used(logs[org_id], midnight - days * DAYS) for days in (7, 30))
            assert row["used_bytes"] == used
            assert row["growth_7_days_bytes"] == used - week
            assert row["growth_30_days_bytes"] == used - month
            period = now - max(NOON, midnight - 30 * DAYS)
            reached = quota_reached_estimate(now, used, row["quota_bytes"], used - month, period)
            assert row["quota_reached_estimate"] == (reached and str(reached))
            estimates.add(reached)
    assert len(estimates) > 5


def test_the_largest_come_first_and_ties_by_name(engine: Engine) -> None:
    handler = Handler(engine, clock=Clock(NOON))
    for name, size_bytes in (("c", 5), ("b", 5), ("d", 7), ("a", None), ("gone", None)):
        org_id = create_organization(handler, name)
        if size_bytes:
            upload(handler, org_id, create_file(handler, org_id), 1, size_bytes)
    run(handler, org_id, org_id, DeleteOrganization())
    with reading(engine) as conn:
        names = [row["name"] for row in largest(conn, 10, NOON)]
        assert names == ["d", "b", "c", "a"]
        assert [row["name"] for row in largest(conn, 2, NOON)] == names[:2]
        assert [row["name"] for row in list_usage(conn, NOON)] == sorted(names)
