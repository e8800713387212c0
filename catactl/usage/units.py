"""Convert byte-microseconds to the units of bills, exactly, without floats.

GB is 10^9 and GiB 2^30 bytes. A GB-month is a GB kept for a whole month, so it has the hours of
that month: 672 to 744. S3 bills the same integral, TimedStorage-ByteHrs, in whole byte-hours.
"""

from collections.abc import Iterable
from enum import StrEnum
from fractions import Fraction

from catactl.results.usage import UnitAmounts
from catactl.values.times import Every, Interval, microseconds

GB = 10**9
GIB = 2**30
_HOUR_MICROSECONDS = 3_600 * 10**6
_DIGITS = 9


class Unit(StrEnum):
    BYTE_HOURS = "byte-hours"
    GB_HOURS = "GB-hours"
    GIB_HOURS = "GiB-hours"
    GB_MONTH = "GB-month"
    GIB_MONTH = "GiB-month"

    @property
    def field(self) -> str:
        """Return the name of the field with this unit."""
        return self.value.lower().replace("-", "_")


def rounded(dividend: int, divisor: int) -> int:
    """Return the nearest integer, the even one for halves. The divisor must be positive."""
    quotient, rest = divmod(dividend, divisor)
    return quotient + (2 * rest + quotient % 2 > divisor)


def byte_hours(byte_microseconds: int) -> int:
    """Return the nearest number of whole byte-hours."""
    return rounded(byte_microseconds, _HOUR_MICROSECONDS)


def decimal(dividend: int, divisor: int) -> str:
    """Return the nearest decimal with nine digits, the even one for halves, without an exponent."""
    scaled = rounded(dividend * 10**_DIGITS, divisor)
    whole, fraction = divmod(abs(scaled), 10**_DIGITS)
    return f"{'-' if scaled < 0 else ''}{whole}.{fraction:0{_DIGITS}}"


def byte_months(parts: Iterable[tuple[Interval, int]]) -> Fraction:
    """Return byte-months from the byte-microseconds of parts of months."""
    total = Fraction(0)
    for interval, byte_microseconds in parts:
        start = Every.MONTH.floor(interval.start)
        month = microseconds(Every.MONTH.next(start) - start)
        total += Fraction(byte_microseconds, month)
    return total


def in_units(byte_microseconds: int, byte_months: Fraction) -> UnitAmounts:
    """Return the same amount in all units, byte-hours as an integer, others as decimals."""
    months, divisor = byte_months.as_integer_ratio()
    return {
        "byte_hours": byte_hours(byte_microseconds),
        "gb_hours": decimal(byte_microseconds, _HOUR_MICROSECONDS * GB),
        "gib_hours": decimal(byte_microseconds, _HOUR_MICROSECONDS * GIB),
        "gb_month": decimal(months, divisor * GB),
        "gib_month": decimal(months, divisor * GIB),
    }
