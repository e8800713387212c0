"""Many rows of one table at once: COPY on PostgreSQL, the driver's `executemany` on SQLite.

SQLAlchemy would look at each value of each row, which costs more than the database's own work.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table

from catactl.store.query import Row
from catactl.store.types import to_sqlite
from catactl.store.watch import trip


def insert_into_sqlite(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Insert rows whose values are in the order of `columns`."""
    statement, converters = _compiled(table, columns)
    driver: Any = conn.connection.driver_connection
    converted = (
        [
            convert(value) if convert is not None and value is not None else value
            for convert, value in zip(converters, row, strict=True)
        ]
        for row in rows
    )
    with trip(conn, lambda: [statement]):
        driver.executemany(statement, converted)


@cache
def _compiled(
    table: Table, columns: tuple[str, ...]
) -> tuple[str, tuple[Callable[[Any], Any] | None, ...]]:
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
    return statement, tuple(to_sqlite(table.c[name].type) for name in columns)


def copy_into_postgresql(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Send rows whose values are in the order of `columns`; a transaction must be under way."""
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
    driver: Any = conn.connection.driver_connection
    with trip(conn, lambda: [statement]), driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
