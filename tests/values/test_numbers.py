"""Part numbers, processors and percentages."""

import pytest

from catactl.errors import InvalidValue
from catactl.values.numbers import (
    MAX_PART_NUMBER,
    check_part_number,
    parse_cpu_millis,
    parse_part_number,
    parse_percent,
)


@pytest.mark.parametrize("number", [1, MAX_PART_NUMBER])
def test_part_numbers_in_range_are_accepted(number: int) -> None:
    assert check_part_number(number) == number
    assert parse_part_number(f"0{number}") == number


@pytest.mark.parametrize("number", [-1, 0, MAX_PART_NUMBER + 1])
def test_part_numbers_out_of_range_are_refused(number: int) -> None:
    with pytest.raises(InvalidValue, match="not between 1 and 10,000"):
        check_part_number(number)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "one", " 1", "\u0661", "\u00b2", "1" * 10])
def test_malformed_part_numbers_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="not a part number"):
        parse_part_number(text)


@pytest.mark.parametrize(
    ("text", "cpu_millis"),
    [("2", 2000), ("0.5", 500), ("0.05", 50), ("1.001", 1001), ("0", 0), ("999999.999", 999999999)],
)
def test_processors_are_exact_thousandths(text: str, cpu_millis: int) -> None:
    assert parse_cpu_millis(text) == cpu_millis


@pytest.mark.parametrize(
    "text", ["", "-1", ".5", "1.", "1,5", "0.0005", "1000000", "1e3", "\u0661"]
)
def test_malformed_processors_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="not a number of processors"):
        parse_cpu_millis(text)


@pytest.mark.parametrize(("text", "percent"), [("80%", 80), ("80", 80), ("0%", 0), ("250%", 250)])
def test_percentages_are_whole_numbers(text: str, percent: int) -> None:
    assert parse_percent(text) == percent


@pytest.mark.parametrize("text", ["", "%", "-1%", "80.5%", "80%%", "eighty", "1234567", "\u0661%"])
def test_malformed_percentages_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="not a percentage"):
        parse_percent(text)
