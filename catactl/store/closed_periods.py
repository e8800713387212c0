"""Find out whether a past period is closed: no writer can add events to it any more.

A writer dates its events while it holds the lock of a log, and they become visible when it commits.
So a snapshot has all events of a period if, after the period's end and before the snapshot, there
was a time when no transaction was in progress that had locked a log before the end.
"""

import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Engine, false, text, update

from catactl.errors import Busy, Forbidden
from catactl.store.sql.engine import reading, writing
from catactl.store.sql.lock_timeout import lock_timeout_seconds
from catactl.store.tables import logs

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 0.5
# A writer holds a RowShareLock on the table of logs from its first lock until its commit is
# visible. Some roles cannot read when its transaction began. Then assume that it began before the
# end.
_WRITERS = text(
    f"""
    SELECT held.virtualtransaction
    FROM pg_locks AS held LEFT JOIN pg_stat_activity AS activity ON activity.pid = held.pid
    WHERE held.locktype = 'relation' AND held.relation = CAST('{logs.name}' AS regclass)
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND held.mode IN ('RowShareLock', 'RowExclusiveLock') AND held.granted
    AND (activity.xact_start IS NULL OR activity.xact_start < :ending)
    """
)


def why_open(engine: Engine, end: datetime, waiting: Callable[[int], None]) -> str | None:
    """Wait until no writer can add events to a period that ended by the clock that dates events.

    Return None if the period is closed for each later snapshot. Otherwise return the reason: the
    writers do not end within the lock timeout, or the database does not show them. Call `waiting`
    once with the number of writers to wait for, if there are any.
    """
    if engine.dialect.name != "postgresql":
        return _why_open_on_sqlite(engine)
    with reading(engine) as conn:
        if conn.execute(text("SELECT pg_is_in_recovery()")).scalar():
            return "a standby does not show the writers of its primary"
        writers = _writers(conn, end)
    if writers:
        waiting(len(writers))
    deadline = time.monotonic() + lock_timeout_seconds(engine)
    pause_seconds = _FIRST_PAUSE_SECONDS
    while writers and time.monotonic() < deadline:
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        with reading(engine) as conn:
            writers &= _writers(conn, end)
    return "transactions that began before its end are still in progress" if writers else None


def _writers(conn: Connection, end: datetime) -> set[str]:
    """Return the ids of the virtual transactions that may add events dated before a moment."""
    return set(conn.execute(_WRITERS, {"ending": end}).scalars())


def _why_open_on_sqlite(engine: Engine) -> str | None:
    """Take the lock that each writer holds from before it reads the clock until it commits."""
    try:
        with writing(engine) as conn:
            # Update no rows, because BEGIN alone takes no lock in a read-only database.
            conn.execute(update(logs).values(position=logs.c.position).where(false()))
            return None
    except Busy:
        return "a transaction is still in progress"
    except Forbidden:
        return "a read-only database does not show whether a transaction is in progress"
