"""What is examined in databases of either kind."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL, Engine

from catactl.config.settings import default_database_path
from catactl.doctor.said import Said, ok, problem, warning
from catactl.store import clock as clocks
from catactl.store import migrations as schemas
from catactl.store import name_lookup, server_status
from catactl.store.sql.engine import reading
from catactl.store.sql.urls import file_of, is_missing_file
from catactl.store.tables import SCHEMA_REVISION

_OLDEST_POSTGRESQL = 13
_SKEWED = timedelta(seconds=2)


def path_in(url: URL) -> Path | None:
    """Return the SQLite file that a URL names, whether or not it exists; None for a server or a
    database in memory.
    """
    path = file_of(url)
    return Path(path).absolute() if path is not None else None


def reach(engine: Engine) -> Iterator[Said]:
    """Connect, and tell to what. A SQLite file that is not there yet is not made."""
    path = path_in(engine.url)
    if path is not None and is_missing_file(engine.url):
        if path.parent.is_dir() or path == default_database_path():
            yield ok(f"{path} is not there yet: it is created at first use")
        else:
            yield problem(
                f"there is no folder {path.parent} to create the database in",
                "create it, or check the database URL: catactl config show",
            )
        return
    with reading(engine) as conn:
        if engine.dialect.name == "sqlite":
            where = server_status.database_file(conn) or "in memory: it ends with the command"
            yield ok(f"SQLite {sqlite3.sqlite_version}, {where}")
            return
        version, major = server_status.server_version(conn)
    if major < _OLDEST_POSTGRESQL:
        yield problem(f"PostgreSQL {version} is too old", f"use {_OLDEST_POSTGRESQL} or newer")
    else:
        yield ok(f"PostgreSQL {version}")


def schema(engine: Engine) -> Iterator[Said]:
    revision = schemas.check(engine)
    if revision is None:
        yield problem("the database is empty", "catactl db upgrade")
    elif revision != SCHEMA_REVISION:
        yield problem(
            f"the schema is at {revision}, this catactl needs {SCHEMA_REVISION}",
            "catactl db upgrade",
        )
    else:
        yield ok(f"the schema is at {revision}, as it should be")


def clock(engine: Engine) -> Iterator[Said]:
    """Examine whether this machine's clock differs from the server's, and whether the log that was
    written last is ahead of the clock that dates events.
    """
    with reading(engine) as conn:
        newest = server_status.newest_logs(conn, 1)
        asked_at = now()
        dating = clocks.now(conn) if engine.dialect.name == "postgresql" else asked_at
        answered_at = now()
        names = [
            name_lookup.organization_name(conn, log.org_id) or str(log.org_id) for log in newest
        ]
    skew = abs(dating - (asked_at + (answered_at - asked_at) / 2))
    if skew > _SKEWED:
        yield _late(
            skew,
            f"this machine's clock and the server's are {_seconds(skew)} apart",
            "set the clocks of all machines by NTP",
        )
    ahead = newest[0].recorded_at - dating if newest else timedelta()
    if ahead > _SKEWED:
        whole_seconds = round(ahead.total_seconds())
        message = clocks.ahead_in_words(engine, names[0], whole_seconds)
        yield _late(ahead, message, clocks.hint(names[0]))
    if max(skew, ahead) <= _SKEWED:
        apart = f"{_seconds(skew)} from the server's" if engine.dialect.name == "postgresql" else ""
        yield ok(f"this machine's clock is {apart}{', ' if apart else ''}not behind any event")


def _late(by: timedelta, message: str, hint: str) -> Said:
    return problem(message, hint) if by > clocks.MAX_AHEAD else warning(message, hint)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():,.1f} s"


def now() -> datetime:
    return datetime.now(UTC)
