"""Batch the statements of the write path: several per round trip on PostgreSQL, each one by itself
on SQLite.

A command takes two round trips: lock and read, then write and commit. Pass only statements that are
module-level constants, because they are compiled, and on PostgreSQL prepared, by identity.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Insert, Select, Table, bindparam, insert
from sqlalchemy.sql.base import Executable

from catactl.errors import CatactlError
from catactl.store.sql import bulk
from catactl.store.sql.guarded_statement import GuardedStatement, Parameters, SqlRow
from catactl.store.sql.tracing import round_trip

# From this number of rows on, COPY is faster, although it needs round trips of its own.
_MIN_COPIED_ROWS = 50
_STREAMED_ROWS = 1_000


class _Pipeline(NamedTuple):
    """The statements that `pipelined` collects, and the rows to copy after them."""

    statements: list[GuardedStatement]
    copies: list[tuple[Table, tuple[str, ...], Sequence[SqlRow]]]


_pipelines: dict[Connection, _Pipeline] = {}


def fetch(conn: Connection, *queries: tuple[Executable, Parameters]) -> list[list[SqlRow]]:
    """Return the rows of each query. The queries run in order, and each reads the state of the
    database after the one before.
    """
    if conn.dialect.name == "postgresql":
        return _execute_pipeline(conn, [GuardedStatement(*query) for query in queries])
    return [
        [tuple(row) for row in conn.execute(statement, parameters)]
        for statement, parameters in queries
    ]


def stream(conn: Connection, query: Select[Any]) -> Generator[SqlRow]:
    """Yield a query's rows while the query runs. Moments may be in any time zone.

    Run no other statement on the connection meanwhile. If the caller stops before the last row, it
    must end the transaction.
    """
    if conn.dialect.name == "postgresql":
        yield from bulk.stream_from_postgresql(conn, query)
    else:
        yield from map(tuple, conn.execution_options(yield_per=_STREAMED_ROWS).execute(query))


def write(
    conn: Connection,
    statement: Executable,
    parameters: Parameters,
    otherwise: Callable[[], CatactlError] | None = None,
) -> None:
    """Run a statement that writes; inside `pipelined` send it when the block ends.

    With `otherwise` the statement must affect exactly one row, else the error that `otherwise`
    returns is raised.
    """
    pipeline = _pipelines.get(conn)
    if pipeline is not None:
        pipeline.statements.append(GuardedStatement(statement, parameters, otherwise))
        return
    affected = conn.execute(statement, parameters).rowcount
    if otherwise is not None and affected != 1:
        raise otherwise()


def write_all(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[SqlRow]
) -> None:
    """Insert rows whose values are in the order of `columns`."""
    if conn.dialect.name != "postgresql":
        bulk.insert_into_sqlite(conn, table, columns, rows)
    elif len(rows) < _MIN_COPIED_ROWS:
        for row in rows:
            write(conn, _insertion(table, columns), dict(zip(columns, row, strict=True)))
    elif conn in _pipelines:
        _pipelines[conn].copies.append((table, columns, rows))
    else:
        bulk.copy_into_postgresql(conn, table, columns, rows)


@cache
def _insertion(table: Table, columns: tuple[str, ...]) -> Insert:
    return insert(table).values({name: bindparam(name) for name in columns})


def begin(conn: Connection, *, reads: bool = False) -> None:
    """Begin a transaction on PostgreSQL with the settings that catactl depends on. With `reads` it
    is read-only, and all its queries read one snapshot.
    """
    if conn.dialect.name == "postgresql":
        _execute_pipeline(conn, [], reads=reads)


@contextmanager
def pipelined(conn: Connection, *, commits: bool) -> Iterator[None]:
    """Collect the statements of the block and send them in one round trip. With `commits` COMMIT is
    part of it.

    Errors are raised at the end of the block, and then no change is committed. On SQLite nothing is
    collected, and the caller commits.
    """
    if conn.dialect.name != "postgresql":
        yield
        return
    statements, copies = _pipelines[conn] = _Pipeline([], [])
    try:
        yield
    finally:
        del _pipelines[conn]
    if copies:  # a pipeline cannot contain COPY
        _execute_pipeline(conn, statements)
        for table, columns, rows in copies:
            bulk.copy_into_postgresql(conn, table, columns, rows)
        statements = []
    if statements or commits:
        _execute_pipeline(conn, statements, commits=commits)


def _execute_pipeline(
    conn: Connection,
    queries: Sequence[GuardedStatement],
    *,
    commits: bool = False,
    reads: bool = False,
) -> list[list[SqlRow]]:
    from catactl.store.sql import pipeline  # here, because SQLite does not need psycopg

    sent: list[object] = [query.statement for query in queries]
    with round_trip(conn, *(sent + ["COMMIT"] * commits or ["BEGIN"])):
        return pipeline.execute(conn, queries, commits=commits, reads=reads)
