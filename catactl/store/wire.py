"""How hot statements travel: on PostgreSQL several in one round trip, on SQLite one by one.

A command of the handler is two round trips: lock and read, then write and commit. The statements
are SQLAlchemy constructs. Give only module-level constants to this module: they are compiled, and
on PostgreSQL prepared, by identity.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.sql.base import Executable

from catactl.errors import CatactlError
from catactl.store.query import Guarded, Parameters, Row

_queues: dict[Connection, list[Guarded]] = {}


def fetch(conn: Connection, *queries: tuple[Executable, Parameters]) -> list[list[Row]]:
    """Run the queries in order, each seeing what the one before it waited for; rows as tuples."""
    if conn.dialect.name == "postgresql":
        return _round_trip(conn, [Guarded(*query) for query in queries])
    return [
        [tuple(row) for row in conn.execute(statement, parameters)]
        for statement, parameters in queries
    ]


def write(
    conn: Connection,
    statement: Executable,
    parameters: Parameters,
    otherwise: Callable[[], CatactlError] | None = None,
) -> None:
    """Run a statement that writes; inside `pipelined` it is sent when the block ends.

    When `otherwise` is given, exactly one row must be affected, or the error it returns is raised.
    """
    queue = _queues.get(conn)
    if queue is not None:
        queue.append(Guarded(statement, parameters, otherwise))
        return
    affected = conn.execute(statement, parameters).rowcount
    if otherwise is not None and affected != 1:
        raise otherwise()


def write_all(conn: Connection, statement: Executable, rows: Sequence[Parameters]) -> None:
    """Run a statement that writes for each of the rows; there must be some."""
    queue = _queues.get(conn)
    if queue is not None:
        queue.extend(Guarded(statement, row) for row in rows)
    else:
        conn.execute(statement, rows)


@contextmanager
def pipelined(conn: Connection, *, commits: bool) -> Iterator[None]:
    """Collect what the block writes and send it in one round trip, with the commit if it `commits`.

    Errors are raised at the block's end, and nothing is committed then. On SQLite, and when nothing
    was written, the commit is left to the caller, who commits in any case.
    """
    if conn.dialect.name != "postgresql":
        yield
        return
    queue = _queues[conn] = []
    try:
        yield
    finally:
        del _queues[conn]
    if queue:
        _round_trip(conn, queue, commits=commits)


def _round_trip(
    conn: Connection, queries: Sequence[Guarded], *, commits: bool = False
) -> list[list[Row]]:
    from catactl.store.pipeline import round_trip  # psycopg, which SQLite does without

    return round_trip(conn, queries, commits=commits)
