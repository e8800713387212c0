"""Compute the growth of usage, and estimate when a quota is reached.

Growth over N days is the present usage minus the usage at the UTC midnight that began the day N
days ago, as in `usage history`. So one query over the projection of days is enough for all
organizations.

The estimate continues the growth of the last 30 days, or since its creation for a younger
organization, as a straight line.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func
from sqlalchemy.sql.elements import ColumnElement

from catactl.queries.rows import missing_row, stream_rows
from catactl.queries.usage import usage_query
from catactl.results.result import result_from
from catactl.results.usage import CurrentUsage, UsageWithGrowth
from catactl.store.tables import organizations
from catactl.usage.history import closing_bytes_before
from catactl.values.times import Every, microseconds

_PERIOD_DAYS = 30
_MIN_PERIOD = timedelta(days=2)  # because the growth of the first day is not typical
_LIVE = organizations.c.status != "deleted"
_BY_NAME = (organizations.c.name, organizations.c.org_id)


def list_usage(conn: Connection, now: datetime) -> Iterator[UsageWithGrowth]:
    """Yield the usage of every organization that is not deleted, in order of name."""
    return _stream(conn, _query(now).where(_LIVE).order_by(*_BY_NAME), now)


def largest(conn: Connection, limit: int, now: datetime) -> Iterator[UsageWithGrowth]:
    """Yield the usage of the largest organizations that are not deleted, ties in order of name."""
    query = _query(now).where(_LIVE)
    most_first = query.selected_columns.used_bytes.desc()
    return _stream(conn, query.order_by(most_first, *_BY_NAME).limit(limit), now)


def get_usage(conn: Connection, org_id: UUID, now: datetime) -> UsageWithGrowth:
    """Return an organization's usage; raise `NotFound` if its state row is missing."""
    found = list(_stream(conn, _query(now).where(organizations.c.org_id == org_id), now))
    if not found:
        raise missing_row()
    return found[0]


def used_percent(used_bytes: int, quota_bytes: int) -> int:
    """Return whole percent, rounded down. Any usage fills a quota of 0 bytes."""
    if quota_bytes == 0:
        return 100 if used_bytes else 0
    return used_bytes * 100 // quota_bytes


def quota_reached_estimate(
    now: datetime, used_bytes: int, quota_bytes: int | None, grown_bytes: int, period: timedelta
) -> date | None:
    """Return the UTC date on which the quota is reached, if usage continues to grow as in the given
    period before now.

    Return None without a quota or growth, if the quota is already reached, if the period is shorter
    than two days, or if the date is after the year 9999.
    """
    if quota_bytes is None or used_bytes >= quota_bytes or grown_bytes <= 0 or period < _MIN_PERIOD:
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


def _stream(conn: Connection, query: Select[Any], now: datetime) -> Iterator[UsageWithGrowth]:
    period_start = Every.DAY.back(now, _PERIOD_DAYS)
    for row in stream_rows(conn, query):
        used_bytes, quota_bytes = row["used_bytes"], row["quota_bytes"]
        grown_bytes = used_bytes - row["bytes_30_days_ago"]
        period = now - max(period_start, row["created_at"])
        reached = quota_reached_estimate(now, used_bytes, quota_bytes, grown_bytes, period)
        yield {
            **result_from(CurrentUsage, row),
            "used_percent": None if quota_bytes is None else used_percent(used_bytes, quota_bytes),
            "growth_7_days_bytes": used_bytes - row["bytes_7_days_ago"],
            "growth_30_days_bytes": grown_bytes,
            "quota_reached_estimate": reached.isoformat() if reached is not None else None,
        }
