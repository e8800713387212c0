"""Check schedules: five fields as in POSIX crontab, with steps and names, or a nickname of cron."""

import re
from datetime import UTC, datetime

from catactl.errors import InvalidValue

_NICKNAMES = frozenset(
    {"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}
)
# cronsim accepts these, but other implementations of cron do not: the last day (L, LW), the nth day
# (#), numbers of three digits, and other letters whose upper case is ASCII.
_EXTENSION = re.compile(r"\b[0-9]*LW?\b|[0-9]{3}|[^0-9A-Z*/, -]", re.ASCII | re.IGNORECASE)
_HINT = "five fields as in '30 4 * * 1-5', or @daily"
_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)


def check_schedule(schedule: str) -> str:
    """Return the schedule unchanged. Raise `InvalidValue`, with the field, if cron would not accept
    it, or if it matches no date, such as 30 February.
    """
    if schedule in _NICKNAMES:
        return schedule
    fields = schedule.split()
    if len(fields) != 5 or schedule != " ".join(fields):
        raise InvalidValue(f"not a schedule: {schedule!r}", _HINT)
    extension = _EXTENSION.search(schedule)
    if extension is not None:
        raise InvalidValue(f"unsupported {extension[0]!r} in schedule {schedule!r}", _HINT)

    from cronsim import CronSim, CronSimError  # only commands that set a schedule need it

    try:
        CronSim(schedule, _ANY_MOMENT)
    except CronSimError as error:  # its message names the field
        raise InvalidValue(f"{str(error).lower()} in schedule {schedule!r}", _HINT) from None
    return schedule
