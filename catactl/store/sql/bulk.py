"""Many rows at once. Written: COPY on PostgreSQL, the driver's `executemany` on SQLite. Read: as
PostgreSQL finds them.

SQLAlchemy would look at each value of each row, which costs more than the database's own work, and
ask for so many rows after it has used those before, so that both wait for each other.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, Table

from catactl.store.sql.guarded_statement import Row
from catactl.store.sql.tracing import round_trip
from catactl.store.sql.types import to_text

_ROWS_AT_ONCE = 500


def insert_into_sqlite(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Insert rows whose values are in the order of `columns`."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
    driver: Any = conn.connection.driver_connection
    with round_trip(conn, statement):
        driver.executemany(statement, _in_words(table, columns, rows))


def copy_into_postgresql(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Send rows whose values are in the order of `columns`; a transaction must be under way."""
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
    driver: Any = conn.connection.driver_connection
    with round_trip(conn, statement), driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in _in_words(table, columns, rows):
            copy.write_row(row)


def stream_from_postgresql(conn: Connection, query: Select[Any]) -> Iterator[Row]:
    """Yield rows as the driver has them; the server goes on while the caller looks at one."""
    import psycopg  # which SQLite does without

    compiled = query.compile(dialect=conn.dialect, compile_kwargs={"render_postcompile": True})
    statement = str(compiled)
    driver: Any = conn.connection.driver_connection
    if not conn.in_transaction():
        conn.begin()  # as SQLAlchemy would; it ends what it knows of
    size = _ROWS_AT_ONCE if psycopg.capabilities.has_stream_chunked() else 1
    with round_trip(conn, statement), driver.cursor() as cursor:
        yield from cursor.stream(statement, compiled.params, size=size)


def _in_words(
    table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> Iterator[Sequence[object]]:
    """Yield the rows with ids and moments as text, which both databases take."""
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
    """Return where in a row text is to be put, and how it comes about."""
    converters = enumerate(to_text(table.c[name].type) for name in columns)
    return tuple((index, convert) for index, convert in converters if convert is not None)
