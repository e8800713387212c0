"""Storage usage over time: what it was when a span began and ended, its peak, and its integral.

Usage is a step function of time, so its integral over a span is an exact integer, in
byte-microseconds. Whole days come from the view that keeps them, what is shorter from the events.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, select

from catactl.domain.times import DAY, Every, Interval
from catactl.store import history
from catactl.store.history import Step
from catactl.store.tables import storage_usage_days
from catactl.store.types import microseconds


class Span(NamedTuple):
    """Usage between two moments, the second excluded. The peak counts what it was at the start."""

    start: datetime
    end: datetime
    opening_bytes: int
    closing_bytes: int
    peak_bytes: int
    byte_microseconds: int

    def then(self, later: "Span") -> "Span":
        """This span and the one that begins where it ends, as one."""
        assert self.end == later.start
        return Span(
            self.start,
            later.end,
            self.opening_bytes,
            later.closing_bytes,
            max(self.peak_bytes, later.peak_bytes),
            self.byte_microseconds + later.byte_microseconds,
        )


def usage_history(
    conn: Connection, org_id: UUID, interval: Interval, every: Every
) -> Iterator[Span]:
    """Yield usage by hour, day or month, also where nothing happened; in flat memory."""
    if every is Every.HOUR:
        yield from _from_events(conn, org_id, interval, every)
        return
    days = _days(conn, org_id, interval)
    for _, group in groupby(days, key=lambda span: every.floor(span.start)):
        yield _joined(group)


def usage_over(conn: Connection, org_id: UUID, interval: Interval) -> Span:
    """Return usage over a whole interval, which must not be empty."""
    return _joined(_days(conn, org_id, interval))


def _joined(spans: Iterable[Span]) -> Span:
    whole, *rest = spans
    for span in rest:
        whole = whole.then(span)
    return whole


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
    conn: Connection, org_id: UUID, interval: Interval, every: Every
) -> Iterator[Span]:
    first = history.position_before(conn, org_id, interval.start)
    last = history.position_before(conn, org_id, interval.end)
    opening_bytes = history.usage_at(conn, org_id, first).used_bytes
    steps = history.usage_steps(conn, org_id, first, last)
    yield from integrate(opening_bytes, steps, every.cut(interval))


def _days(conn: Connection, org_id: UUID, interval: Interval) -> Iterator[Span]:
    """Yield usage by day; the first and the last may be parts of days."""
    table = storage_usage_days
    level: int | None = None
    rows = conn.execute(
        select(table)
        .where(
            table.c.org_id == org_id,
            table.c.day >= interval.start.date(),
            table.c.day <= interval.end.date(),
        )
        .order_by(table.c.day)
    )
    by_day = {row.day: row for row in rows}
    for day in Every.DAY.cut(interval):
        if level is None or day.end - day.start != DAY:
            (span,) = _from_events(conn, org_id, day, Every.DAY)
        else:
            span = _of_day(day, level, by_day.get(day.start.date()))
        level = span.closing_bytes
        yield span


def _of_day(day: Interval, level: int, row: Row[object] | None) -> Span:
    if row is None:
        return Span(*day, level, level, level, level * microseconds(day.end - day.start))
    rest = row.closing_bytes * microseconds(day.end - row.changed_at)
    return Span(
        *day, row.opening_bytes, row.closing_bytes, row.peak_bytes, row.byte_microseconds + rest
    )
