"""Parse numbers that people type: part numbers, processors and percentages."""

import re

from catactl.errors import InvalidValue

MAX_PART_NUMBER = 10_000
_CPU = re.compile(r"(?P<whole>[0-9]{1,6})(?:\.(?P<fraction>[0-9]{1,3}))?")


def parse_part_number(text: str) -> int:
    """Return the number of a part; raise `InvalidValue` if it is malformed or out of range."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidValue(
            f"not a part number: {text[:32]!r}", f"a whole number from 1 to {MAX_PART_NUMBER:,}"
        )
    return check_part_number(int(text))


def check_part_number(number: int) -> int:
    """Return the number; raise `InvalidValue` if it is out of range."""
    if not 1 <= number <= MAX_PART_NUMBER:
        raise InvalidValue(f"part number {number} is not between 1 and {MAX_PART_NUMBER:,}")
    return number


def parse_cpu_millis(text: str) -> int:
    """Return thousandths of a processor, exactly: 500 for `0.5`. Raise `InvalidValue`."""
    match = _CPU.fullmatch(text)
    if match is None:
        raise InvalidValue(f"not a number of processors: {text!r}", "as in 2 or 0.5")
    return int(match["whole"]) * 1000 + int((match["fraction"] or "").ljust(3, "0"))


def parse_percent(text: str) -> int:
    """Return a whole percentage, written with or without `%`; raise `InvalidValue`."""
    digits = text.removesuffix("%")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 6:
        raise InvalidValue(f"not a percentage: {text!r}", "as in 80%")
    return int(digits)
