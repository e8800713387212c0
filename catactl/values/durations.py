"""Spans of time as people write them: seconds, or with a unit, as in 90s, 15m, 2h, 7d, 4w."""

import re

from catactl.errors import InvalidValue

_DURATION = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration(text: str) -> int:
    """Return seconds; raise `InvalidValue`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidValue(f"not a duration: {text[:64]!r}", "seconds, or as in 90s, 15m, 2h, 1d")
    return int(match["number"]) * _SECONDS[match["unit"]]
