"""Schedules: five crontab fields (POSIX crontab, with steps and names), or one of cron's
nicknames.
"""

import re

from catactl.errors import InvalidValue

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    ("day of week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_NICKNAMES = frozenset(
    {"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}
)
_ITEM = re.compile(
    r"(?:\*|(?P<low>[0-9]{1,2}|[a-z]{3})(?:-(?P<high>[0-9]{1,2}|[a-z]{3}))?)(?:/(?P<step>[0-9]{1,2}))?"
)


def check_schedule(schedule: str) -> str:
    """Return the schedule if cron would understand it; raise `InvalidValue` that names the
    field.
    """
    if schedule in _NICKNAMES:
        return schedule
    fields = schedule.split()
    if len(fields) != len(_FIELDS) or schedule != " ".join(fields):
        raise InvalidValue(
            f"not a schedule: {schedule!r}", "five fields as in '30 4 * * 1-5', or @daily"
        )
    for text, (what, minimum, maximum, names) in zip(fields, _FIELDS, strict=True):
        for item in text.split(","):
            _check_item(item, what, minimum, maximum, names)
    return schedule


def _check_item(item: str, what: str, minimum: int, maximum: int, names: dict[str, int]) -> None:
    match = _ITEM.fullmatch(item.lower())
    if match is None:
        raise InvalidValue(f"not a {what} in a schedule: {item!r}")
    bounds = [match["low"], match["high"]]
    numbers = [names.get(text, int(text) if text.isdigit() else -1) for text in bounds if text]
    if any(not minimum <= number <= maximum for number in numbers) or numbers != sorted(numbers):
        raise InvalidValue(f"{what} in a schedule is out of range {minimum}-{maximum}: {item!r}")
    if match["step"] is not None and int(match["step"]) == 0:
        raise InvalidValue(f"{what} in a schedule has a step of 0: {item!r}")
