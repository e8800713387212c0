"""Parse durations: a number of seconds, or a number with a unit, as in 90s, 15m, 2h, 7d, 4w."""

import re

from catactl.errors import InvalidValue

_DURATION = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhdw]?)")
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DEFAULT_LOCK_TIMEOUT_SECONDS = 30.0
_MAX_LOCK_TIMEOUT_SECONDS = 24 * 3600


def parse_duration(text: str) -> int:
    """Return seconds; raise `InvalidValue`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidValue(f"not a duration: {text[:64]!r}", "seconds, or as in 90s, 15m, 2h, 1d")
    return int(match["number"]) * _UNIT_SECONDS[match["unit"]]


def parse_age(text: str) -> int:
    """Return the seconds of --older-than; raise `InvalidValue` if it has no unit, unless it is 0.

    A bare number is refused because people mean days by it.
    """
    if text.isdecimal() and text.strip("0"):
        raise InvalidValue(f"--older-than {text} has no unit", f"as in {text}d")
    return parse_duration(text)


def parse_lock_timeout(text: str) -> float:
    """Return seconds; raise `InvalidValue` if the text is not a number from 0 to a day."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MAX_LOCK_TIMEOUT_SECONDS:
        raise InvalidValue(
            f"{text!r} is not a number of seconds from 0 to {_MAX_LOCK_TIMEOUT_SECONDS}"
        )
    return seconds
