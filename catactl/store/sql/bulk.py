"""Write and read many rows through the drivers, past SQLAlchemy.

SQLAlchemy converts each value of each row, which takes longer than the database's own work. It also
requests rows only after it has used the rows before, so that it and the server wait for each other.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table

from catactl.store.sql.guarded_statement import SqlRow
from catactl.store.sql.tracing import round_trip
from catactl.store.sql.types import to_text

T = TypeVar("T")

_STREAMED_ROWS = 500
# The maximum number of values that a query compares a column with. Databases limit parameters.
_MAX_VALUES = 500


def batched(items: Iterable[T], size: int = _MAX_VALUES) -> Iterator[list[T]]:
    """Yield the items in lists of `size`, the last one shorter. Without a size, a list is short
    enough to be the values of a query.
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def insert_into_sqlite(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[SqlRow]
) -> None:
    """Insert rows whose values are in the order of `columns`, by the driver's `executemany`."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
    driver: Any = conn.connection.driver_connection
    with round_trip(conn, statement):
        driver.executemany(statement, _as_text(table, columns, rows))


def copy_into_postgresql(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[SqlRow]
) -> None:
    """Insert rows whose values are in the order of `columns`, by COPY. A transaction must be in
    progress.
    """
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
    driver: Any = conn.connection.driver_connection
    with round_trip(conn, statement), driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in _as_text(table, columns, rows):
            copy.write_row(row)


def stream_from_postgresql(conn: Connection, query: Select[Any]) -> Iterator[SqlRow]:
    """Yield rows as the driver reads them, while the server continues to send more."""
    import psycopg  # here, because SQLite does not need it

    compiled = query.compile(dialect=conn.dialect, compile_kwargs={"render_postcompile": True})
    statement = str(compiled)
    driver: Any = conn.connection.driver_connection
    if not conn.in_transaction():
        conn.begin()  # so that SQLAlchemy ends the transaction
    size = _STREAMED_ROWS if psycopg.capabilities.has_stream_chunked() else 1
    with round_trip(conn, statement), driver.cursor() as cursor:
        yield from cursor.stream(statement, compiled.params, size=size)


def _as_text(
    table: Table, columns: tuple[str, ...], rows: Sequence[SqlRow]
) -> Iterator[Sequence[object]]:
    """Yield the rows with ids and moments as text, which both databases accept."""
    converters = _converters(table, columns)
    for row in rows:
        values = list(row)
        for index, convert in converters:
            value = values[index]
            if value is not None:
                values[index] = convert(value)
        yield values


@cache
def _converters(
    table: Table, columns: tuple[str, ...]
) -> tuple[tuple[int, Callable[[Any], str]], ...]:
    """Return the indexes of the columns whose values become text, and the functions for that."""
    converters = enumerate(to_text(table.c[name].type) for name in columns)
    return tuple((index, convert) for index, convert in converters if convert is not None)
