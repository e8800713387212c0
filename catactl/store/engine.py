"""Opening databases: the transaction rules of both dialects live here alone.

PostgreSQL: READ COMMITTED for writes, which lock their organization's log first and alone; a
REPEATABLE READ, READ ONLY snapshot for reads. SQLite: BEGIN IMMEDIATE for writes, since a deferred
transaction that upgrades loses updates; WAL with synchronous=FULL, since NORMAL may lose the last
commits on power loss.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from catactl.errors import (
    AlreadyExists,
    BadConfiguration,
    Busy,
    CatactlError,
    Forbidden,
    SchemaMismatch,
    Unreachable,
    VersionConflict,
)
from catactl.store.types import sqlite_microseconds_between, sqlite_plus_product

DEFAULT_LOCK_TIMEOUT_SECONDS = 30.0
_CONNECT_TIMEOUT_SECONDS = 10
_LOCK_TIMEOUT = "catactl_lock_timeout_seconds"
_SQLITE_BUSY_PRIMARY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_UPGRADE_HINT = "catactl db upgrade"


def parse_url(text: str) -> URL:
    """Return a URL that SQLAlchemy opens with the right driver; raise `BadConfiguration` otherwise.

    `postgres://` and `postgresql://` both mean psycopg 3. The text is not repeated in errors, since
    it may hold a password.
    """
    try:
        url = make_url(text)
        backend = "postgresql" if url.drivername == "postgres" else url.get_backend_name()
    except (ArgumentError, ValueError, NoSuchModuleError):
        raise BadConfiguration(
            "the database URL cannot be read",
            "as in sqlite:////var/lib/catactl.db or postgresql://user@host/database",
        ) from None
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return url.set(drivername="sqlite+pysqlite")
    raise BadConfiguration(f"database {backend!r} is not supported", "use sqlite or postgresql")


def open_engine(url: URL, *, lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS) -> Engine:
    """Return an engine; nothing is connected yet. A lock timeout of 0 means not to wait."""
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, lock_timeout_seconds)
    return _open_postgresql(url, lock_timeout_seconds)


def _open_sqlite(url: URL, lock_timeout_seconds: float) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": lock_timeout_seconds},
        execution_options={_LOCK_TIMEOUT: lock_timeout_seconds},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN, which loses updates
        connection.create_function("plus_product", 3, sqlite_plus_product, deterministic=True)
        connection.create_function(
            "microseconds_between", 2, sqlite_microseconds_between, deterministic=True
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        writes = conn.get_execution_options().get("catactl_writes", True)
        conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _open_postgresql(url: URL, lock_timeout_seconds: float) -> Engine:
    arguments: dict[str, Any] = {
        "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
        # `wire` prepares what is hot; psycopg would deallocate that together with its own.
        "prepare_threshold": None,
    }
    if "application_name" not in url.query:
        arguments["application_name"] = "catactl"
    return create_engine(
        url,
        connect_args=arguments,
        json_deserializer=_json_as_text,
        pool_size=1,
        max_overflow=0,
        pool_reset_on_return=None,  # `writing` and `reading` end every transaction themselves
        execution_options={_LOCK_TIMEOUT: lock_timeout_seconds},
    )


def lock_timeout_seconds(engine: Engine | Connection) -> float:
    """How long the engine's writes wait for a lock."""
    seconds: float = engine.get_execution_options()[_LOCK_TIMEOUT]
    return seconds


def _json_as_text(document: str | bytes) -> str:
    return document.decode() if isinstance(document, bytes) else document


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that is rolled back unless the block commits it."""
    with translated_errors(), engine.connect() as conn:
        conn.begin()  # else a commit after nothing but pipelined statements would do nothing
        yield conn


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection whose every query sees the same snapshot, and which can write nothing."""
    with translated_errors(), engine.connect() as conn:
        if engine.dialect.name == "postgresql":
            snapshot = conn.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        else:
            snapshot = conn.execution_options(catactl_writes=False)
        yield snapshot


def is_missing_file(url: URL) -> bool:
    """Whether the URL names a SQLite file that does not exist or is empty."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return False
    if url.database.startswith("file:"):
        return False
    try:
        return os.stat(url.database).st_size == 0
    except FileNotFoundError:
        return True
    except OSError as error:
        raise Forbidden(f"cannot open {url.database}: {error.strerror}") from error


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the drivers raise into errors of ours; what is not known passes as a bug."""
    try:
        yield
    except DBAPIError as error:
        translated = _translate(error.orig or error)
        if translated is None:
            raise
        raise translated from error
    except PoolTimeout as error:
        raise Busy("no database connection was free in time") from error
    except sqlite3.Error as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error
    except Exception as error:
        # What the pipeline raises comes from psycopg itself, which may not even be imported.
        if not type(error).__module__.startswith("psycopg"):
            raise
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error


def _translate(error: BaseException) -> CatactlError | None:
    if isinstance(error, sqlite3.Error):
        return _translate_sqlite(error)
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
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return _translate_constraint(message)
    return None


def _translate_constraint(message: str) -> CatactlError | None:
    if "organization_names" in message or "name" in message or "email" in message:
        return AlreadyExists("the name was taken by another writer just now")
    if "events" in message:
        return VersionConflict("another writer appended to the log without its lock")
    return None


def _translate_sqlstate(sqlstate: str, error: BaseException) -> CatactlError | None:
    message = str(error).strip().splitlines()[0] if str(error).strip() else sqlstate
    match sqlstate:
        case "40001" | "40P01":
            return Busy("another transaction got in the way", "run it again")
        case "55P03":
            return Busy(
                "the organization is locked by another command",
                "run it again, or wait longer: --lock-timeout SECONDS",
            )
        case "42501" | "25006" | "28000" | "28P01":
            return Forbidden(f"the database refuses: {message}")
        case "42P01" | "42703" | "3F000":
            return SchemaMismatch("the database has not catactl's schema", _UPGRADE_HINT)
        case "3D000":
            return BadConfiguration(message, "create the database, then: catactl db upgrade")
        case "23505":
            return _translate_constraint(message)
        case "53100":
            return Unreachable(f"the database server's disk is full: {message}")
    if sqlstate.startswith("53"):
        return Busy(f"the database has no room for another connection: {message}")
    if sqlstate.startswith(("08", "57P")):
        return Unreachable(f"the database connection was lost: {message}")
    return None


def _translate_connection(error: BaseException) -> CatactlError | None:
    """Errors without an SQLSTATE come from connecting, or from a connection that broke."""
    text = str(error).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    message = lines[-1] if lines else "no answer"
    name = type(error).__name__
    if name not in {"OperationalError", "InterfaceError", "ConnectionTimeout"}:
        return None
    lowered = text.lower()
    if "does not exist" in lowered and "database" in lowered:
        return BadConfiguration(message, "create the database, then: catactl db upgrade")
    if "authentication" in lowered or "password" in lowered or "pg_hba" in lowered:
        return Forbidden(f"the database refuses: {message}", "check user and password")
    if "too many" in lowered or "starting up" in lowered or "shutting down" in lowered:
        return Busy(f"the database takes no connections now: {message}", "run it again")
    return Unreachable(
        f"cannot reach the database: {message}", "check the server and the URL: catactl config show"
    )
