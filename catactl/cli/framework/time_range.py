"""Parse the options --from and --to."""

from datetime import datetime

from catactl.cli.framework.context import Context
from catactl.values.times import checked_interval, parse_time


def time_range(
    context: Context, from_: str | None, to: str | None
) -> tuple[datetime | None, datetime | None]:
    """Return the moments of --from and --to, the second excluded; raise `InvalidValue`.

    A start of None means the beginning, an end of None means now. No range ends in the future.
    """
    if from_ is None and to is None:
        return None, None
    now = context.now()
    start = parse_time(from_, now) if from_ is not None else None
    end = parse_time(to, now) if to is not None else now
    if start is not None:
        checked_interval(start, min(end, now))
    return start, end if end < now else None
