"""Opening databases: the transaction rules of both dialects live here alone.

PostgreSQL: READ COMMITTED for writes, which lock their organization's log first and alone; a
REPEATABLE READ, READ ONLY snapshot for reads. `wire.begin` begins both, and sets what catactl
depends on for that transaction alone, since a pooler may give the next one another session.

SQLite: BEGIN IMMEDIATE for writes, since a deferred transaction that upgrades loses updates; WAL
with synchronous=FULL, since NORMAL may lose the last commits on power loss.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from catactl.errors import BadConfiguration, ConnectionLost, Forbidden
from catactl.store.driver_errors import is_busy, translated_errors
from catactl.store.types import SqliteExactSum, sqlite_plus_product
from catactl.store.watch import trip
from catactl.store.wire import begin

DEFAULT_LOCK_TIMEOUT_SECONDS = 30.0
_WAIT_SECONDS = 0.25
_LOCK_TIMEOUT = "catactl_lock_timeout_seconds"


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
        if "@" in (url.host or "") or text.partition("?")[0].count("@") > 1:
            # What follows the first would be taken for the host, and told in errors.
            raise BadConfiguration("the database URL has an @ too many", "in a password write %40")
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
        connection.create_aggregate("exact_sum", 1, SqliteExactSum)  # type: ignore[arg-type]
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        if conn.get_execution_options().get("catactl_writes", True):
            _begin_immediate(conn, lock_timeout_seconds)
        else:
            conn.exec_driver_sql("BEGIN")

    return engine


def _begin_immediate(conn: Connection, lock_timeout_seconds: float) -> None:
    """Take the lock of a database on SQLite, waiting in steps: a signal is answered between two."""
    driver: sqlite3.Connection = conn.connection.driver_connection  # type: ignore[assignment]
    deadline = time.monotonic() + lock_timeout_seconds
    with trip(conn, lambda: ["BEGIN IMMEDIATE"]):
        while True:
            left = max(deadline - time.monotonic(), 0)
            step = min(left, _WAIT_SECONDS)
            driver.execute(f"PRAGMA busy_timeout = {int(step * 1000)}")
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if left <= step or not is_busy(error):
                    raise
            finally:
                driver.execute(f"PRAGMA busy_timeout = {int(lock_timeout_seconds * 1000)}")


def _open_postgresql(url: URL, lock_timeout_seconds: float) -> Engine:
    from catactl.store import connecting  # psycopg, which SQLite does without

    engine = create_engine(
        url,
        connect_args=connecting.connection_arguments(url),
        json_serializer=_json_as_text,
        json_deserializer=_json_as_text,
        pool_size=1,
        max_overflow=0,
        pool_reset_on_return=None,  # `writing` and `reading` end every transaction themselves
        execution_options={_LOCK_TIMEOUT: lock_timeout_seconds},
    )

    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]
    ) -> Any:
        return connecting.connect(dialect, arguments, parameters)

    return engine


def lock_timeout_seconds(engine: Engine | Connection) -> float:
    """How long the engine's writes wait for a lock."""
    seconds: float = engine.get_execution_options()[_LOCK_TIMEOUT]
    return seconds


def _json_as_text(document: str | bytes) -> str:
    """Leave documents alone in both directions: the codec alone reads and writes JSON."""
    return document.decode() if isinstance(document, bytes) else document


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that is rolled back unless the block commits it.

    On PostgreSQL the first trip of `wire` begins it, together with what that trip asks.
    """
    with translated_errors(), engine.connect() as conn:
        conn.begin()  # else a commit after nothing but pipelined statements would do nothing
        yield conn


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection whose every query sees the same snapshot, and which can write nothing."""
    with translated_errors():
        if engine.dialect.name == "postgresql":
            with _snapshot(engine) as conn:
                yield conn
            return
        with engine.connect() as conn:
            driver: sqlite3.Connection = conn.connection.driver_connection  # type: ignore[assignment]
            driver.execute("PRAGMA query_only = ON")
            try:
                yield conn.execution_options(catactl_writes=False)
            finally:
                driver.execute("PRAGMA query_only = OFF")


def _snapshot(engine: Engine) -> Connection:
    """Return a connection that has begun to read. If the server closed the one that the pool kept,
    connect once more.
    """
    for is_second in (False, True):
        conn = engine.connect()
        try:
            with translated_errors():
                conn.begin()
                begin(conn, reads=True)
            return conn
        except BaseException as error:
            conn.close()
            if is_second or not isinstance(error, ConnectionLost):
                raise
    raise AssertionError("the second attempt returns or raises")


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


def is_known_file(url: URL) -> bool:
    """Whether the URL names a SQLite file in WAL mode, as `open_engine` leaves each that it opened:
    opening it again changes nothing. Bytes 18 and 19 say so (https://sqlite.org/fileformat.html).
    """
    try:
        with open(url.database or "", "rb") as file:
            return file.read(20)[18:] == b"\x02\x02"
    except OSError:
        return False
