"""Moments and intervals as people write them: RFC 3339, a date in UTC, `now`, or `-7d` before it.

Intervals are half-open. Everything is in UTC; days, months and hours are UTC's.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple

from catactl.errors import InvalidValue
from catactl.values.durations import parse_duration

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
_MOMENT = re.compile(
    r"(?P<local>\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?)"
    r"(?P<offset>[Zz]|[+-]\d{2}:\d{2})?",
    re.ASCII,
)
_FORMS = "as in 2026-01-31T12:00:00Z, 2026-01-31, now or -7d"
DAY = timedelta(days=1)


def parse_time(text: str, now: datetime) -> datetime:
    """Return a moment in UTC; raise `InvalidValue`."""
    try:
        if text == "now":
            return now
        if text.startswith("-"):
            return now - timedelta(seconds=parse_duration(text[1:]))
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        match = _MOMENT.fullmatch(text)
        if match is not None and match["offset"] is None:
            raise InvalidValue(f"{text!r} has no time zone", "add Z for UTC, or +02:00")
        if match is not None:
            offset = match["offset"].upper().replace("Z", "+00:00")
            return datetime.fromisoformat(match["local"].upper() + offset).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # no such day, no such hour, before year 1 or after year 9999
    raise InvalidValue(f"not a time: {text[:64]!r}", _FORMS)


class Interval(NamedTuple):
    """From a moment, inclusive, to another, exclusive."""

    start: datetime
    end: datetime


def checked_interval(start: datetime, end: datetime) -> Interval:
    """Return the interval; raise `InvalidValue` when it is reversed. An empty one is allowed."""
    if end < start:
        both = (each.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for each in (start, end))
        raise InvalidValue(f"the interval ends before it begins: {' to '.join(both)}")
    return Interval(start, end)


def parse_month(text: str) -> Interval:
    """Return the month that `2026-01` spells; raise `InvalidValue`."""
    try:
        if _MONTH.fullmatch(text):
            start = datetime.combine(date.fromisoformat(f"{text}-01"), time(), UTC)
            return Interval(start, Every.MONTH.next(start))
    except (ValueError, OverflowError):
        pass
    raise InvalidValue(f"not a month: {text[:64]!r}", "as in 2026-01")


class Every(StrEnum):
    """How long a bucket is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def floor(self, moment: datetime) -> datetime:
        """The beginning of the bucket that a moment lies in."""
        if self is Every.HOUR:
            return moment.replace(minute=0, second=0, microsecond=0)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self is Every.DAY else midnight.replace(day=1)

    def next(self, start: datetime) -> datetime:
        """The beginning of the bucket after that which begins here; may raise `OverflowError`."""
        if self is Every.HOUR:
            return start + timedelta(hours=1)
        if self is Every.DAY:
            return start + DAY
        return (start + timedelta(days=31)).replace(day=1)

    def back(self, moment: datetime, count: int) -> datetime:
        """The beginning of the bucket that lies so many before the one of a moment."""
        start = self.floor(moment)
        try:
            for _ in range(count):
                start = self.floor(start - timedelta(microseconds=1))
        except OverflowError:  # there is no time before year 1
            pass
        return start

    def cut(self, interval: Interval) -> Iterator[Interval]:
        """Yield the interval's buckets; the first and the last may be shorter than others."""
        start, end = interval
        while start < end:
            try:
                after = min(self.next(self.floor(start)), end)
            except OverflowError:  # the last one of year 9999
                after = end
            yield Interval(start, after)
            start = after
