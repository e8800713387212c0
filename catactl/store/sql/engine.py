"""Open databases, and begin their transactions.

On PostgreSQL writes use READ COMMITTED, and first lock their organization's log in a statement of
its own. Reads use a REPEATABLE READ, READ ONLY snapshot. `statements.begin` begins both. It sets
the session's settings for one transaction, because a pooler may run the next in another session.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine

from catactl.errors import ConnectionLost
from catactl.store.reserve import Reserve
from catactl.store.sql.errors import translated_errors
from catactl.store.sql.lock_timeout import LOCK_TIMEOUT
from catactl.store.sql.sqlite import open_sqlite, read_only
from catactl.store.sql.statements import begin
from catactl.values.durations import DEFAULT_LOCK_TIMEOUT_SECONDS

_RESERVE = "catactl_reserve"


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
        engine = open_sqlite(url, lock_timeout_seconds, reserve)
    else:
        # Import it here, because SQLite does not need psycopg.
        from catactl.store.sql.postgresql import open_postgresql

        engine = open_postgresql(url)
    engine.update_execution_options(**{LOCK_TIMEOUT: lock_timeout_seconds, _RESERVE: reserve})
    return engine


def make_room(engine: Engine) -> bool:
    """Release the reserve of a database whose disk is full; return whether this made room.

    Call it outside a transaction, because it closes the engine's connections.
    """
    reserve: Reserve | None = engine.get_execution_options().get(_RESERVE)
    if reserve is None or not reserve.release():
        return False
    engine.dispose()
    return True


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
    is_postgresql = engine.dialect.name == "postgresql"
    with translated_errors(), _snapshot(engine) if is_postgresql else read_only(engine) as conn:
        yield conn


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
