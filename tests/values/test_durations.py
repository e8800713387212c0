"""Durations, ages and the time to wait for a lock."""

import pytest

from catactl.errors import InvalidValue
from catactl.values.durations import parse_age, parse_duration, parse_lock_timeout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0), ("90", 90), ("90s", 90), ("15m", 900), ("2h", 7_200), ("7d", 604_800)),
        *(("4w", 2_419_200), ("999999999s", 999_999_999)),
    ],
)
def test_a_duration_is_a_number_with_or_without_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1.5h", "1 h", "1H", "1y", "1h30m", "\u0661s", "1" * 10]
)
def test_malformed_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="not a duration"):
        parse_duration(text)


def test_an_age_needs_a_unit_unless_it_is_zero() -> None:
    assert [parse_age(text) for text in ("0", "000", "12h", "0d")] == [0, 0, 43_200, 0]
    with pytest.raises(InvalidValue, match="--older-than 30 has no unit") as raised:
        parse_age("30")
    assert raised.value.hint == "as in 30d"
    with pytest.raises(InvalidValue, match="not a duration"):
        parse_age("old")


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("2.5", 2.5), ("86400", 86_400)])
def test_a_lock_timeout_is_at_most_a_day(text: str, seconds: float) -> None:
    assert parse_lock_timeout(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "inf", "86400.1", "1h"])
def test_other_lock_timeouts_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="not a number of seconds from 0 to 86400"):
        parse_lock_timeout(text)
