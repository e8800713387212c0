"""Open SQLite databases, and begin and commit their transactions.

Writes begin with BEGIN IMMEDIATE, because a deferred transaction that upgrades its lock loses
updates. Databases use WAL with synchronous=FULL, because NORMAL may lose the last commits on power
loss.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from sqlalchemy import URL, Connection, Engine, create_engine, event

from catactl.errors import BadConfiguration
from catactl.store.reserve import Reserve
from catactl.store.sql.errors import is_busy
from catactl.store.sql.functions import register_functions
from catactl.store.sql.tracing import round_trip
from catactl.store.sql.urls import file_of, is_immutable, is_read_only

_WAIT_SECONDS = 0.25
_CHECKPOINT_PAGES = 16  # for a full disk, where SQLite's log must stay small
_WRITES = "catactl_writes"


def open_sqlite(url: URL, lock_timeout_seconds: float, reserve: Reserve | None) -> Engine:
    """Return an engine. Release the reserve if a connection fails because the disk is full."""
    if is_immutable(url):
        _check_nothing_is_pending(url)
    engine = create_engine(url, connect_args={"timeout": lock_timeout_seconds})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        try:
            _set_up(connection, url)
        except sqlite3.OperationalError:
            if reserve is None or not reserve.release():
                raise
            _set_up(connection, url)
        if reserve is not None and reserve.released_bytes:
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        if conn.get_execution_options().get(_WRITES, True):
            _begin_immediate(conn, lock_timeout_seconds)
        else:
            conn.exec_driver_sql("BEGIN")

    @event.listens_for(engine, "commit")
    def commit(conn: Connection) -> None:
        # Commit here to measure it. SQLAlchemy commits again afterwards, which does nothing.
        with round_trip(conn, "COMMIT"):
            _driver(conn).commit()

    return engine


def _set_up(connection: sqlite3.Connection, url: URL) -> None:
    connection.isolation_level = None  # because the driver's own BEGIN is deferred
    register_functions(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    mode = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != ("wal",) and not is_read_only(url):
        connection.execute("PRAGMA journal_mode = WAL")


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


@contextmanager
def read_only(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that cannot write, and whose queries all read the same snapshot."""
    with engine.connect() as conn:
        driver = _driver(conn)
        driver.execute("PRAGMA query_only = ON")
        try:
            yield conn.execution_options(**{_WRITES: False})
        finally:
            if not conn.invalidated:  # a signal during a query closes the connection
                driver.execute("PRAGMA query_only = OFF")


@contextmanager
def any_text(conn: Connection) -> Iterator[None]:
    """Read bytes of a text that are not UTF-8 as lone surrogates, because the driver would raise an
    error for the whole row.
    """
    driver = _driver(conn)
    before = driver.text_factory
    driver.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = before


def _driver(conn: Connection) -> sqlite3.Connection:
    """Return SQLite's own connection."""
    return conn.connection.driver_connection  # type: ignore[return-value]
