"""The clock that dates events: the server's on PostgreSQL, this machine's on SQLite."""

import shlex
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, func, select

from catactl.store.tables import logs

# A log accepts no event if its last one is dated further ahead of the clock than this.
MAX_AHEAD = timedelta(seconds=60)


def now(conn: Connection) -> datetime:
    """Return the time of the clock that dates events."""
    if conn.dialect.name != "postgresql":
        return datetime.now(UTC)
    moment: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)


def name(database: Connection | Engine) -> str:
    """Return the owner of the clock that dates events, as a phrase for messages."""
    return "the database server's" if database.dialect.name == "postgresql" else "this machine's"


def ahead_seconds(last: datetime | None, now: datetime) -> int:
    """Return how far a log's last event is dated ahead of the clock, in whole seconds. Return 0 up
    to `MAX_AHEAD`, because correct clocks differ a little.
    """
    if last is None or last - now <= MAX_AHEAD:
        return 0
    ahead = last - now
    return ahead.days * 86_400 + ahead.seconds


def logs_ahead(conn: Connection, org_ids: Collection[UUID] | None = None) -> dict[UUID, int]:
    """Return the logs that are ahead of the clock, among all or the given ones, each with the whole
    seconds by which it is ahead.
    """
    present = now(conn)
    query = select(logs.c.org_id, logs.c.recorded_at).where(
        logs.c.recorded_at > present + MAX_AHEAD
    )
    if org_ids is not None:
        query = query.where(logs.c.org_id.in_(org_ids))
    return {org_id: ahead_seconds(last, present) for org_id, last in conn.execute(query)}


def ahead_in_words(database: Connection | Engine, org_name: str, seconds: int) -> str:
    """Return a clause for messages about a log that is ahead of the clock."""
    return (
        f"the log of organization {org_name!r} is {in_words(seconds)} ahead of {name(database)} "
        "clock"
    )


def hint(org_name: str) -> str:
    """Return the hint for a log that is ahead of the clock."""
    command = f"catactl event correct-clock {shlex.quote(org_name)} --reason TEXT"
    return f"set the clock; if the clock is right: {command}"


def in_words(seconds: int) -> str:
    """Return a duration in its two largest units: `3 days, 4 hours`."""
    parts = []
    for unit, size in (("year", 31_557_600), ("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, seconds = divmod(seconds, size)
        parts.append((count, unit))
    parts.append((seconds, "second"))
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    shown = [(count, unit) for count, unit in parts[first : first + 2] if count]
    shown = shown or [parts[-1]]
    return ", ".join(f"{count:,} {unit}{'' if count == 1 else 's'}" for count, unit in shown)
