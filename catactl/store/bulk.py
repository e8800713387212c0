"""Many rows of one table at once: COPY on PostgreSQL, the driver's `executemany` on SQLite.

SQLAlchemy would look at each value of each row, which costs more than the database's own work.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table

from catactl.store.query import Row
from catactl.store.types import to_text
from catactl.store.watch import trip


def insert_into_sqlite(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Insert rows whose values are in the order of `columns`."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
    driver: Any = conn.connection.driver_connection
    with trip(conn, lambda: [statement]):
        driver.executemany(statement, _in_words(table, columns, rows))


def copy_into_postgresql(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Send rows whose values are in the order of `columns`; a transaction must be under way."""
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
    driver: Any = conn.connection.driver_connection
    with trip(conn, lambda: [statement]), driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in _in_words(table, columns, rows):
            copy.write_row(row)


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
