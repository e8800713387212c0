"""Translate errors of the database drivers into errors of catactl, with hints.

PostgreSQL's errors are recognized by SQLSTATE and not by their text, because the server translates
the text. An SQLSTATE that is not listed is recognized by its class, its first two characters
(https://www.postgresql.org/docs/current/errcodes-appendix.html).
"""

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
    Conflict,
    ConnectionLost,
    CorruptLog,
    Forbidden,
    InvalidValue,
    SchemaMismatch,
    Unreachable,
    VersionConflict,
)

_SQLITE_BUSY_PRIMARY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_PASSING_CODES = frozenset(
    {sqlite3.SQLITE_ABORT, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA}
)
_SQLITE_READ_ONLY_FOLDER = frozenset(
    {
        sqlite3.SQLITE_READONLY_CANTINIT,
        sqlite3.SQLITE_READONLY_CANTLOCK,
        sqlite3.SQLITE_READONLY_DIRECTORY,
        sqlite3.SQLITE_READONLY_RECOVERY,
    }
)
_UPGRADE_HINT = "catactl db upgrade"
_VERIFY = "catactl event verify"
_FIND_ROW = "catactl projection check, then catactl projection rebuild"
_RUN_AGAIN = "run it again"
_NO_SCHEMA = "the database does not have catactl's schema"


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate errors of the drivers; pass other errors on unchanged."""
    try:
        yield
    except Exception as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error


def is_busy(error: Exception) -> bool:
    """Return whether the error means that another process holds the lock."""
    return isinstance(_translate(error), Busy)


def _translate(error: BaseException) -> CatactlError | None:
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, UnicodeEncodeError):
        return InvalidValue("a name or value is not valid UTF-8")
    if isinstance(error, OverflowError):
        return CorruptLog("a figure is too large for the database", _VERIFY)
    if isinstance(error, PoolTimeout):
        return Busy("all database connections are in use", _RUN_AGAIN)
    if isinstance(error, sqlite3.Error):
        return _translate_sqlite(error)
    # psycopg may not be imported, so its errors are recognized by their module.
    if not type(error).__module__.startswith("psycopg"):
        return None
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        return _translate_sqlstate(sqlstate, _first_line(error))
    match type(error).__name__:
        case "DataError":
            return CorruptLog(f"stored data cannot be read: {_first_line(error)}", _VERIFY)
        case "OperationalError" | "InterfaceError":  # the connection broke
            return ConnectionLost("the connection to the database was lost", _RUN_AGAIN)
    return None


def _translate_sqlite(error: sqlite3.Error) -> CatactlError | None:
    message = str(error)
    code = getattr(error, "sqlite_errorcode", 0)
    primary = code & 0xFF
    if primary in _SQLITE_BUSY_PRIMARY_CODES:
        return Busy(
            "the database is locked by another process",
            "run it again, or wait longer: --lock-timeout SECONDS",
        )
    if code in _SQLITE_READ_ONLY_FOLDER:
        return Forbidden(
            f"the database's folder is read-only, but SQLite needs to write its write-ahead log "
            f"there: {message}",
            "if no process writes to the database, add ?mode=ro&immutable=1 to its URL",
        )
    if primary in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}:
        return Forbidden(f"the database is read-only: {message}")
    if primary == sqlite3.SQLITE_CANTOPEN:
        return Forbidden(
            f"the database cannot be opened: {message}", "check the folder and its permissions"
        )
    if primary in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return SchemaMismatch(f"not a usable SQLite database: {message}")
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return Unreachable(
            f"the disk is full: {message}", "no change was committed; free some space"
        )
    if primary == sqlite3.SQLITE_IOERR:
        return Unreachable(f"the disk failed: {message}", "no change was committed")
    if "no such table" in message or "no such column" in message:
        return SchemaMismatch(f"{_NO_SCHEMA}: {message}", _UPGRADE_HINT)
    if "user-defined" in message or "malformed JSON" in message:
        return CorruptLog("stored data cannot be read", _VERIFY)
    if "not decode to UTF-8" in message:
        return CorruptLog(f"a stored text is not UTF-8: {message}", _FIND_ROW)
    if "integer overflow" in message:
        return CorruptLog("the sum of figures is too large for the database", _VERIFY)
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return _translate_constraint(message)
    if primary in _SQLITE_PASSING_CODES:
        return Busy(f"the database cannot run the command now: {message}", _RUN_AGAIN)
    if primary in {sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_INTERNAL}:
        return Unreachable(f"the database failed: {message}", "no change was committed")
    if isinstance(error, sqlite3.ProgrammingError):  # a bug in how we call the driver
        return None
    return CorruptLog(f"stored data cannot be read: {message}", _VERIFY)


def _translate_constraint(message: str) -> CatactlError:
    """Recognize a constraint by its name (PostgreSQL, SQLite's indexes) or by its columns (SQLite's
    tables).
    """
    if any(
        mark in message
        for mark in ("live_name", "organization_names", "files.name", "job_configurations.name")
    ):
        return AlreadyExists("the name was taken by another writer just now")
    if "users" in message:
        return AlreadyExists("the e-mail address was taken by another writer just now")
    if "events" in message or "logs" in message:
        return VersionConflict("another writer appended to the log without its lock")
    return Conflict(f"the database refuses a row: {message}")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"


def _translate_sqlstate(sqlstate: str, message: str) -> CatactlError:
    match sqlstate:
        case "26000" | "42P05":
            return Busy("a connection pooler lost a prepared statement", _RUN_AGAIN)
        case "55P03":
            return Busy(
                "another command holds the lock that this one needs",
                "run it again, or wait longer: --lock-timeout SECONDS",
            )
        case "42501":
            return Forbidden(
                f"the database refuses: {message}",
                "the owner of the tables can grant access: catactl db grants ROLE | psql URL; "
                "see: catactl help postgresql",
            )
        case "25006":
            return Forbidden(f"the database refuses: {message}", "connect to the primary server")
        case "25P03" | "57P05":
            return ConnectionLost(f"the server closed the connection: {message}", _RUN_AGAIN)
        case "53100":
            return Unreachable(f"the database server's disk is full: {message}")
        case "53400":
            hint = "the administrator of the database can raise the limit"
            return BadConfiguration(f"a limit of the database is too low: {message}", hint)
        case "57P03":
            return Busy(f"the database accepts no connections now: {message}", _RUN_AGAIN)
        case "57014":
            hint = "run it again, or raise statement_timeout on the server"
            return Busy(f"the database canceled the statement: {message}", hint)
        case "23505":
            return _translate_constraint(message)
        case "3D000":
            return BadConfiguration(message, "create the database, then: catactl db upgrade")
    return _translate_class(sqlstate, message)


def _translate_class(sqlstate: str, message: str) -> CatactlError:
    match sqlstate[:2]:
        case "08" | "57":
            return ConnectionLost(f"the connection to the database was lost: {message}", _RUN_AGAIN)
        case "22":
            return CorruptLog(f"stored data cannot be read: {message}", _VERIFY)
        case "23" | "27" | "44":
            return Conflict(f"the database refuses a row: {message}")
        case "28":
            return Forbidden(f"the database refuses: {message}", "check user and password")
        case "P0":
            hint = "a trigger or a function in the database raised this error"
            return Forbidden(f"the database refuses: {message}", hint)
        case "3F" | "42":
            return SchemaMismatch(f"{_NO_SCHEMA}: {message}", _UPGRADE_HINT)
        case "25" | "26" | "40" | "53" | "55" | "72":
            return Busy(f"the database cannot run the command now: {message}", _RUN_AGAIN)
        case "0A" | "0L" | "0P" | "3D" | "F0":
            hint = "if the server is a standby, connect to its primary"
            return BadConfiguration(f"the database is not set up for this: {message}", hint)
    return Unreachable(f"the database failed (SQLSTATE {sqlstate}): {message}")


def connecting_error(
    error: Exception, sqlstate: str | None, *, is_accepted: bool = True
) -> CatactlError:
    """Return the `CatactlError` for a connection to PostgreSQL that failed.

    `sqlstate` is the server's code, None if the server did not respond. `is_accepted` is false if
    libpq refused an option before it connected.
    """
    message = _first_line(error)
    if sqlstate == "42501":
        hint = "the owner of the database can grant access: GRANT CONNECT ON DATABASE name TO role"
        return Forbidden(f"the database refuses: {message}", hint)
    # A setting of the session has an invalid value, cannot be changed, or names a missing library.
    if sqlstate is not None and (
        sqlstate[:2] in {"0A", "22", "42", "F0"} or sqlstate in {"55P02", "58P01"}
    ):
        hint = (
            "check the database URL's options, the variables PGOPTIONS, PGTZ and PGDATESTYLE, and "
            "the settings of the database and the role"
        )
        return BadConfiguration(message, hint)
    if sqlstate is not None:
        translated = _translate_sqlstate(sqlstate, message)
        return Unreachable(message) if isinstance(translated, ConnectionLost) else translated
    if type(error).__name__ == "ProgrammingError" or not is_accepted:
        hint = "check the database URL (catactl config show) and the variables that begin with PG"
        return BadConfiguration(message, hint)
    pgconn = getattr(error, "pgconn", None)
    if pgconn is not None and pgconn.needs_password:
        return Forbidden(f"the database refuses: {message}", "check user and password")
    return Unreachable(
        f"cannot reach the database: {message}", "check the server and the URL: catactl config show"
    )
