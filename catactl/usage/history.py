"""Storage usage over time: opening, closing and peak usage of a span, and its integral.

Usage is a step function of time, so its integral over a span is an exact integer, in
byte-microseconds. Whole days come from the projection of days, shorter spans from the events.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, select

from catactl.results.usage import HistoryResult
from catactl.store import log_queries
from catactl.store.canonical_json import format_instant
from catactl.store.log_queries import UsageStep
from catactl.store.sql.types import checked_integer
from catactl.store.tables import storage_usage_days
from catactl.usage.units import byte_hours
from catactl.values.times import DAY, Every, Interval, microseconds


class Span(NamedTuple):
    """Usage between two moments, the second excluded. The peak includes the opening usage."""

    start: datetime
    end: datetime
    opening_bytes: int
    closing_bytes: int
    peak_bytes: int
    byte_microseconds: int


def history_result(span: Span) -> HistoryResult:
    """Return a span as a result."""
    return {
        "start": format_instant(span.start),
        "end": format_instant(span.end),
        "opening_bytes": span.opening_bytes,
        "closing_bytes": span.closing_bytes,
        "peak_bytes": span.peak_bytes,
        "byte_hours": byte_hours(span.byte_microseconds),
        "byte_microseconds": span.byte_microseconds,
    }


def joined(before: Span | None, span: Span) -> Span:
    """Return a span joined with the span before it, if there is one."""
    if before is None:
        return span
    assert before.end == span.start
    return Span(
        before.start,
        span.end,
        before.opening_bytes,
        span.closing_bytes,
        max(before.peak_bytes, span.peak_bytes),
        before.byte_microseconds + span.byte_microseconds,
    )


def usage_history(
    conn: Connection, org_id: UUID, interval: Interval, every: Every
) -> Iterator[Span]:
    """Yield usage by hour, day or month, including buckets without changes, in constant memory."""
    if every is Every.HOUR:
        yield from _from_events(conn, org_id, interval, every.buckets(interval))
        return
    yield from map(_Days(conn, org_id, interval).over, every.buckets(interval))


def usage_over(conn: Connection, org_id: UUID, interval: Interval) -> Span:
    """Return usage over a whole interval, which must not be empty."""
    return _Days(conn, org_id, interval).over(interval)


def integrate(
    opening_bytes: int, steps: Iterable[UsageStep], intervals: Iterable[Interval]
) -> Iterator[Span]:
    """Yield a span for each interval, from the opening usage and its steps in order of time.

    Each interval begins at the end of the one before. No step lies outside the intervals.
    """
    steps = iter(steps)
    step = next(steps, None)
    level = opening_bytes
    for start, end in intervals:
        opening = peak = level
        since, total = start, 0
        while step is not None and step.moment < end:
            total += level * microseconds(step.moment - since)
            since, level = step.moment, step.used_bytes
            peak = max(peak, level)
            step = next(steps, None)
        total += level * microseconds(end - since)
        yield Span(start, end, opening, level, peak, total)


def _from_events(
    conn: Connection, org_id: UUID, interval: Interval, buckets: Iterable[Interval]
) -> Iterator[Span]:
    first = log_queries.position_before(conn, org_id, interval.start)
    last = log_queries.position_before(conn, org_id, interval.end)
    opening_bytes = log_queries.usage_at(conn, org_id, first).used_bytes
    steps = log_queries.usage_steps(conn, org_id, first, last)
    yield from integrate(opening_bytes, steps, buckets)


def closing_bytes_before(org_id: UUID | ColumnElement[UUID], day: date) -> Select[tuple[int]]:
    """Return a query for an organization's usage at the beginning of a day: no row if it is 0."""
    earlier = storage_usage_days.alias().c
    return (
        select(earlier.closing_bytes)
        .where(earlier.org_id == org_id, earlier.day < day)
        .order_by(earlier.day.desc())
        .limit(1)
    )


class _Days:
    """Computes usage over successive intervals from the projection of days.

    The time depends on the number of days with changes, not on the length of the intervals.
    """

    def __init__(self, conn: Connection, org_id: UUID, interval: Interval) -> None:
        """Load the days of an interval, which must include all later intervals."""
        self._conn = conn
        self._org_id = org_id
        day = storage_usage_days.c
        start, end = (moment.date() for moment in interval)
        before = conn.execute(closing_bytes_before(org_id, start)).scalar()
        self._level_bytes = checked_integer(before) if before is not None else 0
        inside = select(storage_usage_days).where(
            day.org_id == org_id, day.day >= start, day.day <= end
        )
        self._rows = deque(conn.execute(inside.order_by(day.day)))

    def over(self, interval: Interval) -> Span:
        """Return usage over an interval, which must not be empty. Call it in order of time."""
        span: Span | None = None
        while span is None or span.end < interval.end:
            piece = self._next(interval.start if span is None else span.end, interval.end)
            self._level_bytes = piece.closing_bytes
            span = joined(span, piece)
        return span

    def _next(self, start: datetime, end: datetime) -> Span:
        """Return usage from a moment to the end, or to the next beginning or end of a day with
        changes, if that is earlier.
        """
        row = self._rows[0] if self._rows else None
        midnight = datetime.combine(row.day, time(), UTC) if row is not None else end
        if row is None or midnight > start:
            level, until = self._level_bytes, min(midnight, end)
            return Span(start, until, level, level, level, level * microseconds(until - start))
        if end - midnight >= DAY:
            self._rows.popleft()
            end = midnight + DAY
        if start > midnight or row.changed_at >= end:
            interval = Interval(start, end)
            (span,) = _from_events(self._conn, self._org_id, interval, [interval])
            return span
        opening, closing, peak = map(
            checked_integer, (row.opening_bytes, row.closing_bytes, row.peak_bytes)
        )
        integral = row.byte_microseconds + closing * microseconds(end - row.changed_at)
        return Span(start, end, opening, closing, peak, integral)
