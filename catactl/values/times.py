"""Parse moments and intervals: RFC 3339, a date in UTC, `now`, or an age such as `-7d`.

Intervals are half-open. Days, months and hours begin in UTC.
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
_HINT = "as in 2026-01-31T12:00:00Z, 2026-01-31, now or -7d"
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
        pass  # the day or hour does not exist, or the year is not from 1 to 9999
    raise InvalidValue(f"not a time: {text[:64]!r}", _HINT)


def microseconds(period: timedelta) -> int:
    """Return a period in whole microseconds, exactly, because `total_seconds` returns a float."""
    return (period.days * 86_400 + period.seconds) * 1_000_000 + period.microseconds


class Interval(NamedTuple):
    """The moments from `start`, inclusive, to `end`, exclusive."""

    start: datetime
    end: datetime


def checked_interval(start: datetime, end: datetime) -> Interval:
    """Return the interval, which may be empty; raise `InvalidValue` if it ends before it begins."""
    if end < start:
        both = (each.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for each in (start, end))
        raise InvalidValue(f"the interval ends before it begins: {' to '.join(both)}")
    return Interval(start, end)


def parse_month(text: str) -> Interval:
    """Return the interval of a month such as `2026-01`; raise `InvalidValue`."""
    try:
        if _MONTH.fullmatch(text):
            start = datetime.combine(date.fromisoformat(f"{text}-01"), time(), UTC)
            return Interval(start, Every.MONTH.next(start))
    except (ValueError, OverflowError):
        pass
    raise InvalidValue(f"not a month: {text[:64]!r}", "as in 2026-01")


class Every(StrEnum):
    """The length of a bucket, as in `--every day`."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def floor(self, moment: datetime) -> datetime:
        """Return the start of the bucket that contains the moment."""
        if self is Every.HOUR:
            return moment.replace(minute=0, second=0, microsecond=0)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self is Every.DAY else midnight.replace(day=1)

    def next(self, start: datetime) -> datetime:
        """Return the start of the next bucket; raise `OverflowError` after year 9999."""
        if self is Every.HOUR:
            return start + timedelta(hours=1)
        if self is Every.DAY:
            return start + DAY
        return (start + timedelta(days=31)).replace(day=1)

    def back(self, moment: datetime, count: int) -> datetime:
        """Return the start of the bucket that is `count` buckets before the moment's."""
        start = self.floor(moment)
        try:
            for _ in range(count):
                start = self.floor(start - timedelta(microseconds=1))
        except OverflowError:  # year 1 has begun
            pass
        return start

    def buckets(self, interval: Interval) -> Iterator[Interval]:
        """Yield the buckets of an interval. The first and the last may be shorter than others."""
        start, end = interval
        while start < end:
            try:
                after = min(self.next(self.floor(start)), end)
            except OverflowError:  # the last bucket of year 9999
                after = end
            yield Interval(start, after)
            start = after
