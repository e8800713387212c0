"""Moments, intervals and buckets."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.errors import InvalidValue
from catactl.values.times import Every, Interval, checked_interval, parse_time

NOW = datetime(2026, 3, 1, 12, 30, 15, 7, UTC)
_MOMENTS = st.datetimes(
    min_value=datetime(1, 1, 1),  # noqa: DTZ001 - bounds are naive, by Hypothesis' own rule
    max_value=datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("-7d", NOW - timedelta(days=7)),
        ("-90", NOW - timedelta(seconds=90)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31t12:00:00.5z", datetime(2026, 1, 31, 12, 0, 0, 500_000, UTC)),
        ("2026-01-31 12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)),
    ],
)
def test_a_time_is_parsed_exactly(text: str, moment: datetime) -> None:
    assert parse_time(text, NOW) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "yesterday", "2023-02-29", "2026-1-1", "2026-01-31T12:00:00", "20260131"),
        *("2026-01-31T25:00:00Z", "2026-01-31T12:00:60Z", "0001-01-01T00:00:00+01:00"),
        *("-999999999w", "٢٠٢٦-01-01", "2026-W01-1", "2026-01-31T12:00:00.1234567Z"),
    ],
)
def test_a_malformed_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_time(text, NOW)


def test_an_interval_does_not_end_before_it_begins() -> None:
    assert checked_interval(NOW, NOW) == Interval(NOW, NOW)
    with pytest.raises(InvalidValue):
        checked_interval(NOW, NOW - timedelta(microseconds=1))


def test_buckets_of_a_month_have_its_days() -> None:
    start, end = datetime(2024, 1, 15, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
    spans = [(each.end - each.start).days for each in Every.MONTH.buckets(Interval(start, end))]
    assert spans == [17, 29, 31]
    assert Every.MONTH.back(end, 2) == datetime(2024, 2, 1, tzinfo=UTC)


@given(_MOMENTS, st.timedeltas(timedelta(0), timedelta(days=400)), st.sampled_from(Every))
def test_buckets_cover_an_interval_without_gap_or_overlap(
    start: datetime, length: timedelta, every: Every
) -> None:
    end = min(start, datetime.max.replace(tzinfo=UTC) - length) + length
    start = end - length
    if every is Every.HOUR:
        start = max(start, end - timedelta(days=min(10, (end - start).days)))
    buckets = list(every.buckets(Interval(start, end)))
    assert [each.end for each in buckets[:-1]] == [each.start for each in buckets[1:]]
    assert (buckets[0].start, buckets[-1].end) == (start, end) if buckets else start == end
    assert all(each.start == every.floor(each.start) for each in buckets[1:])
    assert all(every.floor(each.start) <= each.start < each.end for each in buckets)
