from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.errors import InvalidValue
from catactl.values.schedules import check_schedule


@pytest.mark.parametrize(
    "schedule",
    [
        "* * * * *",
        "0 0 1 1 0",
        "59 23 31 12 7",
        "*/15 * * * *",
        "30 4 * * 1-5",
        "0,15,30,45 * * * *",
        "0 9-17/2 * * mon-fri",
        "0 0 1 jan,jul *",
        "0 0 * * SUN",
        "0 0 1 Jan-Dec *",
        "5-5 * * * *",
        "@hourly",
        "@daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
    ],
)
def test_what_cron_understands_passes_unchanged(schedule: str) -> None:
    assert check_schedule(schedule) == schedule


@pytest.mark.parametrize(
    ("schedule", "saying"),
    [
        ("", "not a schedule"),
        ("often", "not a schedule"),
        ("* * * *", "not a schedule"),
        ("* * * * * *", "not a schedule"),
        (" * * * * *", "not a schedule"),
        ("*  * * * *", "not a schedule"),
        ("* * * * *\n", "not a schedule"),
        ("@reboot", "not a schedule"),
        ("@DAILY", "not a schedule"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * 32 * *", "day of month"),
        ("* * * 0 *", "month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day of week"),
        ("10-5 * * * *", "minute"),
        ("*/0 * * * *", "step of 0"),
        ("*/100 * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("1- * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        (", * * * *", "minute"),
        ("jan * * * *", "minute"),
        ("* * * mon *", "month"),
        ("* * * * january", "day of week"),
        ("\u0661 * * * *", "minute"),
        ("x * * * *", "minute"),
    ],
)
def test_what_cron_does_not_understand_is_refused_by_field(schedule: str, saying: str) -> None:
    with pytest.raises(InvalidValue, match=saying):
        check_schedule(schedule)


@given(st.text(alphabet="0123456789*/-, @monjfeda\n"))
def test_any_text_is_a_schedule_or_an_invalid_value(text: str) -> None:
    with suppress(InvalidValue):
        assert check_schedule(text) == text
