"""Compute the usage of each organization over a period, exactly: the lines of a bill.

One query per month adds up the projection of days, in the database's exact numbers. If the period
begins or ends within a day on which usage changed, the events of that organization are read.

A closed period always has the same lines: usage counts from the time when it was recorded, and
names are the names at the period's end. A later correction of usage is an adjustment in the period
in which it was made.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Select, and_, case, func, literal, select

from catactl.store.sql.functions import exact_sum, microseconds_between, midnight, plus_product
from catactl.store.sql.statements import stream
from catactl.store.sql.types import Instant, checked_integer, read
from catactl.store.tables import logs, organizations, storage_usage_days
from catactl.usage.history import Span, closing_bytes_before, joined, usage_over
from catactl.usage.past_organizations import PastOrganization, organizations_changed_since
from catactl.values.times import DAY, Every, Interval, microseconds


class UsageLine(NamedTuple):
    """An organization's usage over the period. `by_month` has the integral, in byte-microseconds,
    over each month in which anything was stored.
    """

    org_id: UUID
    name: str
    span: Span
    by_month: tuple[tuple[Interval, int], ...]


def lines(
    conn: Connection, interval: Interval, org_ids: Sequence[UUID] | None
) -> Iterator[UsageLine]:
    """Yield a line for each of all or the given organizations, in no particular order.

    Omit organizations that were created later. Unless they are given, omit organizations that were
    deleted and stored nothing in the period. The interval must not be empty. The caller
    must not query the connection during the iteration.
    """
    *earlier, last = Every.MONTH.buckets(interval)
    past = organizations_changed_since(conn, interval.end)
    earlier = _without_months_before_first_day(conn, earlier)
    before = Interval(interval.start, (*earlier, last)[0].start)
    nothing = Span(*before, 0, 0, 0, 0) if before.start < before.end else None
    spans = defaultdict[UUID, Span | None](lambda: nothing)
    by_month = defaultdict[UUID, tuple[tuple[Interval, int], ...]](tuple)
    for month in earlier:
        for org, span in _spans(conn, month, org_ids):
            spans[org.org_id] = joined(spans[org.org_id], span)
            if span.byte_microseconds:
                by_month[org.org_id] += ((month, span.byte_microseconds),)
    for org, span in _spans(conn, last, org_ids):
        months = by_month[org.org_id]
        if span.byte_microseconds:
            months += ((last, span.byte_microseconds),)
        span = joined(spans[org.org_id], span)
        present = PastOrganization(org.name, org.status == "deleted")
        name, is_deleted = past.get(org.org_id, present)
        is_included = org_ids is not None or not is_deleted
        existed = org.created_at is not None and org.created_at < last.end
        if (is_included and existed) or span.peak_bytes:
            yield UsageLine(org.org_id, name or str(org.org_id), span, months)


def _without_months_before_first_day(conn: Connection, months: list[Interval]) -> list[Interval]:
    """Omit the months before the first usage of any organization, because a period may begin
    centuries earlier.
    """
    if not months:
        return months
    first_day = conn.execute(select(func.min(storage_usage_days.c.day))).scalar()
    return [month for month in months if first_day is not None and month.end.date() > first_day]


class _Sums(NamedTuple):
    """An organization of any status, with the sums of its days in a month. If it has no days in the
    month, `before` is its usage before the month.
    """

    org_id: UUID
    name: str | None
    status: str | None
    created_at: datetime | None
    first_day: date | None
    changed_at: datetime
    opening_bytes: int
    closing_bytes: int
    peak_bytes: int
    total: Decimal | int
    before: int | None


def _spans(
    conn: Connection, interval: Interval, org_ids: Sequence[UUID] | None
) -> Iterator[tuple[_Sums, Span]]:
    """Yield each organization with its usage over a month, or over a part of a month."""
    begins_within_day = interval.start != Every.DAY.floor(interval.start)
    changed_on_edge: list[_Sums] = []
    for org in map(_Sums._make, stream(conn, _query(interval, org_ids))):
        first_day = org.first_day
        if first_day is None:
            level = checked_integer(org.before or 0)
            total = level * microseconds(interval.end - interval.start)
            yield org, Span(*interval, level, level, level, total)
        elif org.changed_at >= interval.end or (
            begins_within_day and first_day == interval.start.date()
        ):
            changed_on_edge.append(org)
        else:
            until_first = datetime.combine(first_day, time(), UTC) - interval.start
            opening, closing, peak = map(
                checked_integer, (org.opening_bytes, org.closing_bytes, org.peak_bytes)
            )
            integral = opening * microseconds(until_first) + read(int, org.total)
            yield org, Span(*interval, opening, closing, max(opening, peak), integral)
    for org in changed_on_edge:
        yield org, usage_over(conn, org.org_id, interval)


def _query(interval: Interval, org_ids: Sequence[UUID] | None) -> Select[Any]:
    start, end = interval
    day = storage_usage_days.c
    next_day = func.lead(day.day).over(partition_by=day.org_id, order_by=day.day)
    rank = func.row_number().over(partition_by=day.org_id, order_by=day.day)
    last_day = (end - DAY.resolution).date()
    inside = and_(day.day >= start.date(), day.day <= last_day)
    if org_ids is not None:
        inside = and_(inside, day.org_id.in_(org_ids))
    rows = select(storage_usage_days, next_day.label("next_day"), rank.label("rank"))
    rows_inside = rows.where(inside).subquery()
    each = rows_inside.c
    until = case((each.next_day.is_(None), literal(end, Instant)), else_=midnight(each.next_day))
    rest = microseconds_between(until, each.changed_at)
    sums = (
        select(
            each.org_id,
            func.min(each.day).label("first_day"),
            func.max(each.changed_at).label("changed_at"),
            func.max(case((each.rank == 1, each.opening_bytes))).label("opening_bytes"),
            func.max(case((each.next_day.is_(None), each.closing_bytes))).label("closing_bytes"),
            func.max(each.peak_bytes).label("peak_bytes"),
            exact_sum(plus_product(each.byte_microseconds, each.closing_bytes, rest)).label(
                "total"
            ),
        )
        .group_by(each.org_id)
        .subquery()
    )
    before = closing_bytes_before(logs.c.org_id, start.date()).scalar_subquery()
    query = (
        select(
            logs.c.org_id,
            organizations.c.name,
            organizations.c.status,
            organizations.c.created_at,
            *(column for column in sums.c if column.name != "org_id"),
            case((sums.c.org_id.is_(None), before)).label("before"),
        )
        .outerjoin(organizations, organizations.c.org_id == logs.c.org_id)
        .outerjoin(sums, sums.c.org_id == logs.c.org_id)
    )
    return query if org_ids is None else query.where(logs.c.org_id.in_(org_ids))
