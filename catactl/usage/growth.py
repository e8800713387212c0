"""How usage grew, and when a quota is reached if that goes on.

Growth over so many days is usage now less what it was at the UTC midnight that began the day so
many days ago, where `usage history` begins as well: so one query over the view of days tells it for
all organizations, and nobody's events are read.

The present growth is that of 30 days, taken as a straight line from that midnight to now; for a
younger organization, from its creation.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, func
from sqlalchemy.sql.elements import ColumnElement

from catactl.queries.rows import missing_row, stream_rows
from catactl.queries.usage import usage_query, usage_result
from catactl.results.usage import Growth, UsageWithGrowth
from catactl.store.tables import organizations
from catactl.usage.history import closing_bytes_before
from catactl.values.times import Every, microseconds

_PERIOD_DAYS = 30
_SHORTEST = timedelta(days=2)  # what an organization stored on its first day says little
_LIVE = organizations.c.status != "deleted"
_BY_NAME = (organizations.c.name, organizations.c.org_id)


def list_usage(conn: Connection, now: datetime) -> Iterator[UsageWithGrowth]:
    """Yield the usage of every organization, without those deleted, in order of name."""
    return _found(conn, _query(now).where(_LIVE).order_by(*_BY_NAME), now)


def largest(conn: Connection, limit: int, now: datetime) -> Iterator[UsageWithGrowth]:
    """Yield the usage of those that use most, ties in order of name, without those deleted."""
    query = _query(now).where(_LIVE)
    most_first = query.selected_columns.used_bytes.desc()
    return _found(conn, query.order_by(most_first, *_BY_NAME).limit(limit), now)


def get_usage(conn: Connection, org_id: UUID, now: datetime) -> UsageWithGrowth:
    """Return an organization's usage."""
    found = list(_found(conn, _query(now).where(organizations.c.org_id == org_id), now))
    if not found:
        raise missing_row()
    return found[0]


def used_percent(used_bytes: int, quota_bytes: int) -> int:
    """Whole percent, rounded down; a quota of nothing is full as soon as it is used at all."""
    if quota_bytes == 0:
        return 100 if used_bytes else 0
    return used_bytes * 100 // quota_bytes


def quota_reached_estimate(
    now: datetime, used_bytes: int, quota_bytes: int | None, grown_bytes: int, period: timedelta
) -> date | None:
    """Return the UTC date on which the quota is reached, if usage goes on growing as it did in the
    period up to now.

    None without a quota, where it is reached already, where usage did not grow, where the period is
    shorter than two days, and past year 9999.
    """
    if quota_bytes is None or used_bytes >= quota_bytes or grown_bytes <= 0 or period < _SHORTEST:
        return None
    left_bytes = quota_bytes - used_bytes
    try:
        wait = timedelta(microseconds=-(-left_bytes * microseconds(period) // grown_bytes))
        return (now + wait).date()
    except OverflowError:
        return None


def _query(now: datetime) -> Select[Any]:
    return usage_query().add_columns(
        organizations.c.created_at,
        _used_until(Every.DAY.back(now, 7)).label("bytes_7_days_ago"),
        _used_until(Every.DAY.back(now, _PERIOD_DAYS)).label("bytes_30_days_ago"),
    )


def _used_until(midnight: datetime) -> ColumnElement[int]:
    before = closing_bytes_before(organizations.c.org_id, midnight.date())
    return func.coalesce(before.scalar_subquery(), 0)


def _found(conn: Connection, query: Select[Any], now: datetime) -> Iterator[UsageWithGrowth]:
    period_start = Every.DAY.back(now, _PERIOD_DAYS)
    for row in stream_rows(conn, query):
        yield {**usage_result(row), **_growth(row, now, period_start)}


def _growth(row: RowMapping, now: datetime, period_start: datetime) -> Growth:
    used_bytes, quota_bytes = row["used_bytes"], row["quota_bytes"]
    grown_bytes = used_bytes - row["bytes_30_days_ago"]
    period = now - max(period_start, row["created_at"])
    reached = quota_reached_estimate(now, used_bytes, quota_bytes, grown_bytes, period)
    return {
        "used_percent": None if quota_bytes is None else used_percent(used_bytes, quota_bytes),
        "growth_7_days_bytes": used_bytes - row["bytes_7_days_ago"],
        "growth_30_days_bytes": grown_bytes,
        "quota_reached_estimate": reached.isoformat() if reached is not None else None,
    }
