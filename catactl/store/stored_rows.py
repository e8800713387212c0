"""Read rows as the database holds them, to compare them with the expected rows.

No column type converts the values, so that a manually changed value is returned unchanged. On
SQLite a stored value is the driver's value, on PostgreSQL it is text.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Select,
    Table,
    Text,
    cast,
    func,
    select,
    type_coerce,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import NullType

from catactl.store import canonical_json
from catactl.store.sql.guarded_statement import SqlRow
from catactl.store.sql.sqlite import any_text
from catactl.store.sql.types import Document, Instant, to_text

_ROWS_AT_ONCE = 1_000

Convert = Callable[[Any], Any]


def stored_rows(conn: Connection, table: Table, org_id: UUID) -> Iterator[SqlRow]:
    """Yield an organization's rows of a table in the order of its primary key."""
    query = select_stored(conn, table).where(table.c.org_id == org_id)
    yield from run_stored(conn, table, query.order_by(*table.primary_key))


def select_stored(conn: Connection, table: Table) -> Select[Any]:
    """Return the query for all rows of a table. Run it with `run_stored`."""
    if conn.dialect.name == "postgresql":
        return select(*map(_as_text, table.columns))
    return select(*map(unchecked, table.columns))


def unchecked(column: Column[Any]) -> ColumnElement[Any]:
    """Return a column that is read without conversion, so that any value can be read."""
    return type_coerce(column, NullType())


def run_stored(conn: Connection, table: Table, query: Select[Any]) -> Iterator[SqlRow]:
    """Yield the rows of a query that `select_stored` made."""
    options = {"yield_per": _ROWS_AT_ONCE}
    if conn.dialect.name != "postgresql":
        return _any_text(conn, query.execution_options(**options))
    rows = map(tuple, conn.execute(query, execution_options=options))
    # Make documents canonical, because PostgreSQL reorders their keys.
    converters: list[Convert] = [
        _canonical if isinstance(column.type, Document) else _same for column in table.columns
    ]
    if _canonical not in converters:
        return rows
    return map(partial(_convert_row, converters), rows)


def _any_text(conn: Connection, query: Select[Any]) -> Iterator[SqlRow]:
    """Yield rows from SQLite, including rows with a text that is not UTF-8."""
    with any_text(conn):
        yield from map(tuple, conn.execute(query))


def to_stored(conn: Connection, table: Table) -> Callable[[SqlRow], SqlRow]:
    """Return a function that converts a row of Python values to the stored values."""
    return partial(_convert_row, [_converter(conn, column) for column in table.columns])


def _convert_row(converters: list[Convert], row: SqlRow) -> SqlRow:
    return tuple(
        [
            convert(value) if value is not None else None
            for convert, value in zip(converters, row, strict=True)
        ]
    )


def _converter(conn: Connection, column: Column[Any]) -> Convert:
    if conn.dialect.name != "postgresql":
        convert = to_text(column.type)
        return convert if convert is not None else int if _is_boolean(column) else _same
    if isinstance(column.type, Instant):
        return _instant
    return _boolean if _is_boolean(column) else str


def _is_boolean(column: Column[Any]) -> bool:
    return isinstance(column.type, Boolean)


def _as_text(column: Column[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Instant):
        return cast(func.timezone("UTC", column), Text)
    return cast(column, Text)


def _instant(moment: datetime) -> str:
    """Return a time as PostgreSQL writes a timestamp without a time zone."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    return text.rstrip("0") if "." in text else text


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _canonical(document: str) -> str:
    try:
        return canonical_json.canonical(canonical_json.load_strictly(document))
    except ValueError:
        return document


def _same(value: Any) -> Any:
    return value
