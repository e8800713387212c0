"""Schedules that cron accepts."""

import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catactl.errors import InvalidValue
from catactl.values.schedules import check_schedule
from tests.support import ROOT


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
        "0 0 29 2 *",
        "0 0 30 2 mon",
        "0 0 31 4,5 *",
        "@hourly",
        "@daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
    ],
)
def test_a_schedule_that_cron_accepts_is_returned_unchanged(schedule: str) -> None:
    assert check_schedule(schedule) == schedule


@pytest.mark.parametrize(
    ("schedule", "message"),
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
        ("* * 0 * *", "day-of-month"),
        ("* * 32 * *", "day-of-month"),
        ("* * * 0 *", "month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day-of-week"),
        ("10-5 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("*/100 * * * *", "unsupported '100'"),
        ("-1 * * * *", "minute"),
        ("1- * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        (", * * * *", "minute"),
        ("jan * * * *", "minute"),
        ("* * * mon *", "month"),
        ("* * * * january", "day-of-week"),
        ("\u0661 * * * *", "unsupported"),
        ("* * * * \u017fun", "unsupported"),
        ("* * L * *", "unsupported 'L'"),
        ("* * LW * *", "unsupported 'LW'"),
        ("* * 15W * *", "day-of-month"),
        ("* * * * 5l", "unsupported '5l'"),
        ("* * * * 1#2", "unsupported '#'"),
        ("007 * * * *", "unsupported '007'"),
        ("* * ? * *", r"unsupported '\?'"),
        ("x * * * *", "minute"),
        ("0 0 30 2 *", "day-of-month"),
        ("0 0 30,31 feb *", "day-of-month"),
        ("0 0 31 4,jun,9,nov *", "day-of-month"),
    ],
)
def test_a_schedule_that_cron_does_not_accept_is_refused(schedule: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        check_schedule(schedule)


@given(st.text(alphabet="0123456789*/-, @#LWmonjfeda\n"))
def test_any_text_is_a_schedule_or_an_invalid_value(text: str) -> None:
    with suppress(InvalidValue):
        assert check_schedule(text) == text


def test_only_the_check_of_a_schedule_imports_cronsim() -> None:
    program = (
        "import sys; from catactl.domain.job_configuration import check_schedule\n"
        "check_schedule('@daily'); print('cronsim' in sys.modules)\n"
        "check_schedule('0 0 * * *'); print('cronsim' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=True,
    )
    assert done.stdout == "False\nTrue\n"
