"""The storage of many organizations together, day by day, for the chart of a report."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from uuid import UUID

from sqlalchemy import Connection, select

from catactl.store.sql.functions import exact_sum
from catactl.store.tables import storage_usage_days
from catactl.usage.history import Span
from catactl.values.times import Every, Interval, microseconds


def daily_totals(
    conn: Connection, interval: Interval, org_ids: Sequence[UUID] | None
) -> Iterator[Span]:
    """Yield the usage of all or the given organizations together for each day, from the first day
    with any usage.

    The changes within a day are ignored, so the peak and the integral are approximations.
    """
    day = storage_usage_days.c
    growth = exact_sum(day.closing_bytes - day.opening_bytes)
    query = select(day.day, growth).group_by(day.day).order_by(day.day)
    if org_ids is not None:
        query = query.where(day.org_id.in_(org_ids))
    rows = conn.execute(query).all()
    growth_on = {on: int(grown_bytes) for on, grown_bytes in rows}
    first = datetime.combine(rows[0].day, time(), UTC) if rows else interval.end
    level = sum(grown for on, grown in growth_on.items() if on < interval.start.date())
    for each in Every.DAY.buckets(Interval(max(interval.start, first), interval.end)):
        opening, level = level, level + growth_on.get(each.start.date(), 0)
        total = level * microseconds(each.end - each.start)
        yield Span(*each, opening, level, max(opening, level), total)
