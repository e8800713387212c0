"""The units that usage is told in, exactly: never a float on the way."""

from fractions import Fraction

_HOUR_MICROSECONDS = 3_600 * 10**6


def byte_hours(byte_microseconds: int) -> int:
    """Return whole byte-hours, the nearest; halves go to the even one."""
    return round(Fraction(byte_microseconds, _HOUR_MICROSECONDS))
