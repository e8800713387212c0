"""Open databases, and begin their transactions.

PostgreSQL: READ COMMITTED for writes, which first lock their organization's log in a statement of
its own; a REPEATABLE READ, READ ONLY snapshot for reads. `statements.begin` begins both. It sets
the session's settings for one transaction, because a pooler may run the next in another session.

SQLite: BEGIN IMMEDIATE for writes, because a deferred transaction that upgrades its lock loses
updates; WAL with synchronous=FULL, because NORMAL may lose the last commits on power loss.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event

from catactl.errors import BadConfiguration, ConnectionLost
from catactl.store.reserve import Reserve
from catactl.store.sql.errors import is_busy, translated_errors
from catactl.store.sql.functions import register_functions
from catactl.store.sql.statements import begin
from catactl.store.sql.tracing import round_trip
from catactl.store.sql.urls import file_of, is_immutable, is_read_only

DEFAULT_LOCK_TIMEOUT_SECONDS = 30.0
_WAIT_SECONDS = 0.25
_LOCK_TIMEOUT = "catactl_lock_timeout_seconds"
_RESERVE = "catactl_reserve"
_CHECKPOINT_PAGES = 16  # for a full disk, where SQLite's log must stay small


def open_engine(
    url: URL,
    *,
    lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS,
    reserve: Reserve | None = None,
) -> Engine:
    """Return an engine, which does not connect yet. With a lock timeout of 0 it does not wait.

    The `reserve` of a SQLite database is released when the disk is full.
    """
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, lock_timeout_seconds, reserve)
    return _open_postgresql(url, lock_timeout_seconds)


def _open_sqlite(url: URL, lock_timeout_seconds: float, reserve: Reserve | None) -> Engine:
    if is_immutable(url):
        _check_nothing_is_pending(url)
    engine = create_engine(
        url,
        connect_args={"timeout": lock_timeout_seconds},
        execution_options={_LOCK_TIMEOUT: lock_timeout_seconds, _RESERVE: reserve},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        try:
            set_up(connection)
        except sqlite3.OperationalError:
            if reserve is None or not reserve.release():
                raise
            set_up(connection)
        if reserve is not None and reserve.released_bytes:
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")

    def set_up(connection: sqlite3.Connection) -> None:
        connection.isolation_level = None  # because the driver's own BEGIN is deferred
        register_functions(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        mode = connection.execute("PRAGMA journal_mode").fetchone()
        if mode != ("wal",) and not is_read_only(url):
            connection.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        if conn.get_execution_options().get("catactl_writes", True):
            _begin_immediate(conn, lock_timeout_seconds)
        else:
            conn.exec_driver_sql("BEGIN")

    @event.listens_for(engine, "commit")
    def commit(conn: Connection) -> None:
        # The driver's own commit, which follows, then does nothing.
        with round_trip(conn, "COMMIT"):
            _driver(conn).execute("COMMIT")

    return engine


def _check_nothing_is_pending(url: URL) -> None:
    """Raise `BadConfiguration` if the write-ahead log has commits, because SQLite would not read
    them.
    """
    log = f"{file_of(url)}-wal"
    with suppress(OSError):
        if os.stat(log).st_size > 0:
            raise BadConfiguration(
                f"immutable=1 would leave out the commits in {log}",
                "use mode=ro without immutable=1, or open the database for writing once",
            )


def _begin_immediate(conn: Connection, lock_timeout_seconds: float) -> None:
    """Take the lock of a SQLite database. Wait in steps, so that Python can handle a signal between
    two of them.
    """
    driver = _driver(conn)
    deadline = time.monotonic() + lock_timeout_seconds
    with round_trip(conn, "BEGIN IMMEDIATE"):
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


def _driver(conn: Connection) -> sqlite3.Connection:
    """Return SQLite's own connection."""
    return conn.connection.driver_connection  # type: ignore[return-value]


def _open_postgresql(url: URL, lock_timeout_seconds: float) -> Engine:
    from catactl.store.sql import connecting  # here, because SQLite does not need psycopg

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


def make_room(engine: Engine) -> bool:
    """Release the reserve of a database whose disk is full; return whether that made room.

    Call it outside a transaction, because it closes the engine's connections.
    """
    reserve: Reserve | None = engine.get_execution_options().get(_RESERVE)
    if reserve is None or not reserve.release():
        return False
    engine.dispose()
    return True


def lock_timeout_seconds(engine: Engine | Connection) -> float:
    """Return how long the engine's writes wait for a lock."""
    seconds: float = engine.get_execution_options()[_LOCK_TIMEOUT]
    return seconds


def _json_as_text(document: str | bytes) -> str:
    """Return a document unchanged, because only the codec reads and writes JSON."""
    return document.decode() if isinstance(document, bytes) else document


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that is rolled back unless the block commits it.

    On PostgreSQL the first round trip of `statements` begins it, with the queries of that trip.
    """
    with translated_errors(), engine.connect() as conn:
        conn.begin()  # because SQLAlchemy does not see pipelined statements
        yield conn


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that cannot write, and whose queries all read the same snapshot."""
    with translated_errors():
        if engine.dialect.name == "postgresql":
            with _snapshot(engine) as conn:
                yield conn
            return
        with engine.connect() as conn:
            driver = _driver(conn)
            driver.execute("PRAGMA query_only = ON")
            try:
                yield conn.execution_options(catactl_writes=False)
            finally:
                driver.execute("PRAGMA query_only = OFF")


def _snapshot(engine: Engine) -> Connection:
    """Return a connection in a read transaction. Connect once more if the server closed the pooled
    connection.
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
