"""Storage usage over time: what it was when a span began and ended, its peak, and its integral.

Usage is a step function of time, so its integral over a span is an exact integer, in
byte-microseconds. Whole days come from the view that keeps them, what is shorter from the events.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from catactl.store import log_queries
from catactl.store.log_queries import Step
from catactl.store.sql.checked_types import checked_integer
from catactl.store.tables import storage_usage_days
from catactl.values.times import DAY, Every, Interval, microseconds


class Span(NamedTuple):
    """Usage between two moments, the second excluded. The peak counts what it was at the start."""

    start: datetime
    end: datetime
    opening_bytes: int
    closing_bytes: int
    peak_bytes: int
    byte_microseconds: int


def joined(before: Span | None, span: Span) -> Span:
    """Return a span together with the one that ends where it begins, if there is one."""
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
    """Yield usage by hour, day or month, also where nothing happened; in flat memory."""
    if every is Every.HOUR:
        yield from _from_events(conn, org_id, interval, every.buckets(interval))
        return
    days = _Days(conn, org_id, interval)
    for bucket in every.buckets(interval):
        yield days.over(bucket)


def usage_over(conn: Connection, org_id: UUID, interval: Interval) -> Span:
    """Return usage over a whole interval, which must not be empty."""
    return _Days(conn, org_id, interval).over(interval)


def integrate(
    opening_bytes: int, steps: Iterable[Step], intervals: Iterable[Interval]
) -> Iterator[Span]:
    """Yield a span an interval, given what usage was at first and its steps in order of time.

    The intervals follow one another; no step lies outside of them.
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


class _Days:
    """Usage over one interval after the other, from the view's days. What lies between two of them
    takes no time, however long it is.
    """

    def __init__(self, conn: Connection, org_id: UUID, interval: Interval) -> None:
        """The interval holds all that will be asked for."""
        self._conn = conn
        self._org_id = org_id
        day = storage_usage_days.c
        of_org = select(storage_usage_days).where(day.org_id == org_id)
        start, end = (moment.date() for moment in interval)
        earlier = of_org.where(day.day < start).order_by(day.day.desc()).limit(1)
        before = conn.execute(earlier).one_or_none()
        self._level_bytes = checked_integer(before.closing_bytes) if before is not None else 0
        inside = of_org.where(day.day >= start, day.day <= end).order_by(day.day)
        self._rows = deque(conn.execute(inside))

    def over(self, interval: Interval) -> Span:
        """Return usage over an interval, which must not be empty and follows the one before."""
        span: Span | None = None
        while span is None or span.end < interval.end:
            piece = self._next(interval.start if span is None else span.end, interval.end)
            self._level_bytes = piece.closing_bytes
            span = joined(span, piece)
        return span

    def _next(self, start: datetime, end: datetime) -> Span:
        """Return usage from a moment until the end, or until a day on which it changed begins or is
        over, if that comes first.
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
