"""Examine databases of both kinds."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL, Engine

from catactl.config.paths import default_database_path
from catactl.doctor.findings import Finding, ok, problem, warning
from catactl.store import clock as clocks
from catactl.store import migrations, name_lookup, server_status
from catactl.store.sql.engine import reading
from catactl.store.sql.urls import file_of, is_missing_file
from catactl.store.tables import SCHEMA_REVISION

_OLDEST_POSTGRESQL = 13
_MAX_SKEW = timedelta(seconds=2)


def sqlite_path(url: URL) -> Path | None:
    """Return the SQLite file that a URL names, even if the file does not exist; None for a server
    or a database in memory.
    """
    path = file_of(url)
    return Path(path).absolute() if path is not None else None


def connection(engine: Engine) -> Iterator[Finding]:
    """Connect and report the version. Do not create a missing SQLite file."""
    path = sqlite_path(engine.url)
    if path is not None and is_missing_file(engine.url):
        if path.parent.is_dir() or path == default_database_path():
            yield ok(f"{path} does not exist yet: it is created at first use")
        else:
            yield problem(
                f"the folder {path.parent} does not exist, so no database can be created in it",
                "create it, or check the database URL: catactl config show",
            )
        return
    with reading(engine) as conn:
        if engine.dialect.name == "sqlite":
            where = server_status.database_file(conn) or "in memory: lost when the command ends"
            yield ok(f"SQLite {sqlite3.sqlite_version}, {where}")
            return
        version, major = server_status.server_version(conn)
    if major < _OLDEST_POSTGRESQL:
        yield problem(f"PostgreSQL {version} is too old", f"use {_OLDEST_POSTGRESQL} or newer")
    else:
        yield ok(f"PostgreSQL {version}")


def schema(engine: Engine) -> Iterator[Finding]:
    """Examine whether the schema has the revision that this catactl needs."""
    revision = migrations.check(engine)
    if revision is None:
        yield problem("the database is empty", "catactl db upgrade")
    elif revision != SCHEMA_REVISION:
        yield problem(
            f"the schema is at {revision}, this catactl needs {SCHEMA_REVISION}",
            "catactl db upgrade",
        )
    else:
        yield ok(f"the schema is current, at {revision}")


def clock(engine: Engine) -> Iterator[Finding]:
    """Examine whether this machine's clock differs from the server's, and whether the log that was
    written last is ahead of the clock that dates events.
    """
    has_server = engine.dialect.name == "postgresql"
    with reading(engine) as conn:
        newest = server_status.newest_logs(conn, 1)
        before = now()
        event_clock = clocks.now(conn) if has_server else before
        after = now()
        names = [
            name_lookup.organization_name(conn, log.org_id) or str(log.org_id) for log in newest
        ]
    skew = abs(event_clock - (before + (after - before) / 2))
    if skew > _MAX_SKEW:
        yield _difference(
            skew,
            f"this machine's clock and the server's are {_seconds(skew)} apart",
            "set the clocks of all machines by NTP",
        )
    ahead = newest[0].recorded_at - event_clock if newest else timedelta()
    if ahead > _MAX_SKEW:
        message = clocks.ahead_in_words(engine, names[0], round(ahead.total_seconds()))
        yield _difference(ahead, message, clocks.hint(names[0]))
    if max(skew, ahead) <= _MAX_SKEW:
        apart = f"{_seconds(skew)} from the server's, " if has_server else ""
        yield ok(f"this machine's clock is {apart}not behind any event")


def _difference(span: timedelta, message: str, hint: str) -> Finding:
    return problem(message, hint) if span > clocks.MAX_AHEAD else warning(message, hint)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():,.1f} s"


def now() -> datetime:
    return datetime.now(UTC)
