"""From what the database drivers raise to errors of ours, with the mend where we know it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from catactl.errors import (
    AlreadyExists,
    BadConfiguration,
    Busy,
    CatactlError,
    CorruptLog,
    Forbidden,
    InvalidValue,
    SchemaMismatch,
    Unreachable,
    VersionConflict,
)

_SQLITE_BUSY_PRIMARY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_UPGRADE_HINT = "catactl db upgrade"


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the drivers raise into errors of ours; what is not known passes as a bug."""
    try:
        yield
    except Exception as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error


def is_busy(error: Exception) -> bool:
    """Whether somebody else holds what was asked for."""
    return isinstance(_translate(error), Busy)


def _translate(error: BaseException) -> CatactlError | None:
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, UnicodeEncodeError):
        return InvalidValue("a name or value is not UTF-8")
    if isinstance(error, OverflowError):
        return CorruptLog("a figure is larger than a database can hold", "catactl event verify")
    if isinstance(error, PoolTimeout):
        return Busy("no database connection was free in time")
    if isinstance(error, sqlite3.Error):
        return _translate_sqlite(error)
    # psycopg may not even be imported, so its errors are told by their module.
    if not type(error).__module__.startswith("psycopg"):
        return None
    sqlstate = getattr(error, "sqlstate", None)
    return _translate_sqlstate(sqlstate, error) if sqlstate else _translate_connection(error)


def _translate_sqlite(error: sqlite3.Error) -> CatactlError | None:
    message = str(error)
    code = getattr(error, "sqlite_errorcode", 0)
    primary = code & 0xFF
    if primary in _SQLITE_BUSY_PRIMARY_CODES:
        return Busy(
            "the database is locked by another process",
            "run it again, or wait longer: --lock-timeout SECONDS",
        )
    if primary in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}:
        return Forbidden(f"the database is read-only: {message}")
    if primary == sqlite3.SQLITE_CANTOPEN:
        return Forbidden(
            f"the database cannot be opened: {message}", "check the folder and its permissions"
        )
    if primary in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return SchemaMismatch(f"not a usable SQLite database: {message}")
    if primary == sqlite3.SQLITE_FULL:
        return Unreachable(f"the disk is full: {message}", "nothing was written; free some space")
    if primary == sqlite3.SQLITE_IOERR:
        return Unreachable(f"the disk failed: {message}", "nothing was written")
    if "no such table" in message or "no such column" in message:
        return SchemaMismatch("the database has not catactl's schema", _UPGRADE_HINT)
    if "user-defined" in message or "malformed JSON" in message:
        return CorruptLog("what is stored cannot be read", "catactl event verify")
    if "integer overflow" in message:
        return CorruptLog("figures add up to more than a database can hold", "catactl event verify")
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return _translate_constraint(message)
    return None


def _translate_constraint(message: str) -> CatactlError | None:
    """Tell by the constraint's name (PostgreSQL, SQLite's indexes) or columns (SQLite's tables)."""
    if any(
        mark in message
        for mark in ("live_name", "organization_names", "files.name", "job_configurations.name")
    ):
        return AlreadyExists("the name was taken by another writer just now")
    if "users" in message:
        return AlreadyExists("the e-mail address was taken by another writer just now")
    if "events" in message or "logs" in message:
        return VersionConflict("another writer appended to the log without its lock")
    return None


def _translate_sqlstate(sqlstate: str, error: BaseException) -> CatactlError | None:
    message = str(error).strip().splitlines()[0] if str(error).strip() else sqlstate
    match sqlstate:
        case "26000" | "42P05":
            return Busy("a pooler lost a prepared statement", "run it again")
        case "40001" | "40P01":
            return Busy("another transaction got in the way", "run it again")
        case "55P03":
            return Busy(
                "the organization is locked by another command",
                "run it again, or wait longer: --lock-timeout SECONDS",
            )
        case "42501":
            hint = "the tables' owner lets a role in: catactl db grants ROLE | psql URL"
            return Forbidden(f"the database refuses: {message}", hint)
        case "25006" | "28000" | "28P01":
            return Forbidden(f"the database refuses: {message}")
        case "42P01" | "42703" | "3F000":
            return SchemaMismatch("the database has not catactl's schema", _UPGRADE_HINT)
        case "3D000":
            return BadConfiguration(message, "create the database, then: catactl db upgrade")
        case "23505":
            return _translate_constraint(message)
        case "57014":
            hint = "run it again; statement_timeout says how long it may take"
            return Busy(f"the database gave up: {message}", hint)
        case "53100":
            return Unreachable(f"the database server's disk is full: {message}")
    if sqlstate.startswith("22"):
        return CorruptLog(f"what is stored cannot be read: {message}", "catactl event verify")
    if sqlstate.startswith("53"):
        return Busy(f"the database has no room for another connection: {message}")
    if sqlstate.startswith(("08", "57P")):
        return Unreachable(f"the database connection was lost: {message}")
    return None


def _translate_connection(error: BaseException) -> CatactlError | None:
    """Errors without an SQLSTATE come from connecting, or from a connection that broke."""
    text = str(error).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    message = lines[0] if lines else "no answer"
    name = type(error).__name__
    lowered = text.lower()
    if name == "ProgrammingError" and "connection option" in lowered:
        return BadConfiguration(message, "check the database URL: catactl config show")
    if name == "DataError":
        return CorruptLog(f"what is stored cannot be read: {message}", "catactl event verify")
    if name not in {"OperationalError", "InterfaceError", "ConnectionTimeout"}:
        return None
    if "does not exist" in lowered and "role" in lowered:
        return Forbidden(f"the database refuses: {message}", "check user and password")
    if "does not exist" in lowered and "database" in lowered:
        return BadConfiguration(message, "create the database, then: catactl db upgrade")
    if "authentication" in lowered or "password" in lowered or "pg_hba" in lowered:
        return Forbidden(f"the database refuses: {message}", "check user and password")
    if "too many" in lowered or "starting up" in lowered or "shutting down" in lowered:
        return Busy(f"the database takes no connections now: {message}", "run it again")
    if "pipeline mode" in lowered or "consuming input failed" in lowered:
        return Unreachable("the connection to the database was lost", "run it again")
    return Unreachable(
        f"cannot reach the database: {message}", "check the server and the URL: catactl config show"
    )
