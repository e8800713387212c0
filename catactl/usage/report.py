"""Compute what each organization used over a period, exactly: the lines of a bill.

Most of it is one query over the view of days, in the database's exact numbers. If the period begins
or ends within a day on which usage changed, that organization's events are read.

A closed period always gives the same lines: usage counts from the time it was recorded, and names
are those at the period's end. A later correction of usage is a line of its own in the period in
which it was made.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Select, Text, and_, case, func, literal, select

from catactl.store.effective_time import effective, limits_by_log
from catactl.store.sql.checked_types import checked_integer, read
from catactl.store.sql.functions import (
    exact_sum,
    microseconds_between,
    midnight,
    payload_field,
    plus_product,
)
from catactl.store.sql.statements import stream
from catactl.store.sql.types import Instant
from catactl.store.tables import IS_LIFECYCLE_EVENT, events, logs, organizations, storage_usage_days
from catactl.usage.history import Span, joined, usage_over
from catactl.values.times import DAY, Every, Interval, microseconds

_CORRECTED = "organization.storage_usage_corrected"
_CREATED, _RENAMED = "organization.created", "organization.renamed"
_DELETED = "organization.deleted"


class Line(NamedTuple):
    """An organization's usage over the period, and how much of the integral each month has in which
    anything was stored.
    """

    org_id: UUID
    name: str
    span: Span
    by_month: tuple[tuple[Interval, int], ...]


class Adjustment(NamedTuple):
    """A correction of an organization's figure: by how much, when, by whom and why."""

    org_id: UUID
    name: str
    position: int
    recorded_at: datetime
    actor: str
    reason: str | None
    delta_bytes: int


def lines(conn: Connection, interval: Interval, org_ids: Sequence[UUID] | None) -> Iterator[Line]:
    """Yield a line for each organization, among all or the given ones, in no order.

    Organizations that were created later are left out. Deleted organizations that used nothing in
    the period are left out unless they are given. The interval must not be empty. The caller must
    not query the connection meanwhile.
    """
    *earlier, last = Every.MONTH.buckets(interval)
    then = _organizations_then(conn, interval.end)
    earlier = _since_anything_was_stored(conn, earlier)
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
        now = _Organization(org.name, org.status == "deleted")
        name, is_deleted = then.get(org.org_id, now)
        is_meant = org_ids is not None or not is_deleted
        was_there = is_meant and org.created_at and org.created_at < last.end
        if was_there or span.peak_bytes:
            yield Line(org.org_id, name or str(org.org_id), span, months)


class _Organization(NamedTuple):
    name: str | None
    is_deleted: bool


def _organizations_then(conn: Connection, end: datetime) -> dict[UUID, _Organization]:
    """Return the organizations that were renamed or deleted since a period ended, as they were at
    its end, because later changes must not change its report.
    """
    name = payload_field(events.c.payload, "name", Text())
    changed = (
        select(events.c.org_id)
        .where(
            IS_LIFECYCLE_EVENT, events.c.type.in_((_RENAMED, _DELETED)), events.c.recorded_at >= end
        )
        .correlate(None)
    )
    rows = conn.execute(
        select(events.c.org_id, events.c.position, events.c.type, name, events.c.recorded_at)
        .where(
            IS_LIFECYCLE_EVENT,
            events.c.type.in_((_CREATED, _RENAMED, _DELETED)),
            events.c.org_id.in_(changed),
        )
        .order_by(events.c.org_id, events.c.position)
    ).all()
    limits = limits_by_log(conn) if rows else {}
    found: dict[UUID, _Organization] = {}
    for org_id, position, type_, its_name, recorded_at in rows:
        if effective(limits.get(org_id, ()), position, recorded_at) < end:
            before = found.get(org_id)
            name_then = before.name if type_ == _DELETED and before else its_name
            found[org_id] = _Organization(name_then, type_ == _DELETED)
    return found


def _since_anything_was_stored(conn: Connection, months: list[Interval]) -> list[Interval]:
    """Leave out the months before anybody stored anything: a period may begin long before that."""
    if not months:
        return months
    first_day = conn.execute(select(func.min(storage_usage_days.c.day))).scalar()
    return [month for month in months if first_day is not None and month.end.date() > first_day]


class _Sums(NamedTuple):
    """An organization, whether it lived then or not, and what its days in a month add up to, or
    what it used before if it has none.
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
    """Yield each organization with its usage over a month."""
    within_day = interval.start != Every.DAY.floor(interval.start)
    left: list[_Sums] = []
    for org in map(_Sums._make, stream(conn, _query(interval, org_ids))):
        first_day = org.first_day
        if first_day is None:
            level = checked_integer(org.before or 0)
            total = level * microseconds(interval.end - interval.start)
            yield org, Span(*interval, level, level, level, total)
        elif org.changed_at >= interval.end or (within_day and first_day == interval.start.date()):
            left.append(org)
        else:
            until_first = datetime.combine(first_day, time(), UTC) - interval.start
            opening, closing, peak = map(
                checked_integer, (org.opening_bytes, org.closing_bytes, org.peak_bytes)
            )
            integral = opening * microseconds(until_first) + read(int, org.total)
            yield org, Span(*interval, opening, closing, max(opening, peak), integral)
    for org in left:
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
    earlier = storage_usage_days.alias()
    before = (
        select(earlier.c.closing_bytes)
        .where(earlier.c.org_id == logs.c.org_id, earlier.c.day < start.date())
        .order_by(earlier.c.day.desc())
        .limit(1)
        .scalar_subquery()
    )
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


def by_day(conn: Connection, interval: Interval, org_ids: Sequence[UUID] | None) -> Iterator[Span]:
    """Yield what all organizations, or those given, stored together, day by day since anything was
    stored, as if it changed evenly: a chart's worth, not a bill's.
    """
    day = storage_usage_days.c
    growth = exact_sum(day.closing_bytes - day.opening_bytes)
    query = select(day.day, growth).group_by(day.day).order_by(day.day)
    if org_ids is not None:
        query = query.where(day.org_id.in_(org_ids))
    rows = conn.execute(query).all()
    level = sum(int(grown) for on, grown in rows if on < interval.start.date())
    grown_on = {on: int(grown) for on, grown in rows}
    first = datetime.combine(rows[0].day, time(), UTC) if rows else interval.end
    for each in Every.DAY.buckets(Interval(max(interval.start, first), interval.end)):
        opening, level = level, level + grown_on.get(each.start.date(), 0)
        total = level * microseconds(each.end - each.start)
        yield Span(*each, opening, level, max(opening, level), total)


def adjustments(
    conn: Connection, interval: Interval, org_ids: Sequence[UUID] | None
) -> Iterator[Adjustment]:
    """Yield the corrections of usage that count from a moment in the period, oldest first."""
    before = payload_field(events.c.payload, "before_bytes")
    after = payload_field(events.c.payload, "used_bytes")
    query = (
        select(
            events.c.org_id,
            organizations.c.name,
            events.c.position,
            events.c.recorded_at,
            events.c.actor,
            events.c.reason,
            (after - before).label("delta_bytes"),
        )
        .outerjoin(organizations, organizations.c.org_id == events.c.org_id)
        .where(
            IS_LIFECYCLE_EVENT,
            events.c.type == _CORRECTED,
            events.c.recorded_at >= interval.start,
        )
    )
    if org_ids is not None:
        query = query.where(events.c.org_id.in_(org_ids))
    rows = conn.execute(query).all()
    limits = limits_by_log(conn) if rows else {}
    then = _organizations_then(conn, interval.end) if rows else {}
    dated = [
        (effective(limits.get(row.org_id, ()), row.position, row.recorded_at), row) for row in rows
    ]
    for moment, row in sorted(dated, key=lambda each: (each[0], each[1].org_id)):
        if not interval.start <= moment < interval.end:
            continue
        yield Adjustment(
            row.org_id,
            (then[row.org_id].name if row.org_id in then else row.name) or str(row.org_id),
            row.position,
            moment,
            row.actor,
            row.reason,
            checked_integer(row.delta_bytes),
        )
