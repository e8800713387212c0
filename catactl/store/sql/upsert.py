"""Insert a row, or merge it into the row with the same primary key."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.base import Executable, ReadOnlyColumnCollection

from catactl.store.sql.guarded_statement import Parameters
from catactl.store.sql.statements import write

Columns = ReadOnlyColumnCollection[str, ColumnElement[Any]]


def _replace(new: Columns, present: Columns) -> Mapping[str, Any]:
    """Set all columns except the primary key to the values of the new row."""
    return {name: new[name] for name, column in present.items() if not column.primary_key}


class Upsert:
    """INSERT … ON CONFLICT DO UPDATE, for both dialects.

    `merge` gets the new row's columns and the present row's, and returns the values to set.
    """

    def __init__(
        self, table: Table, merge: Callable[[Columns, Columns], Mapping[str, Any]] = _replace
    ) -> None:
        self._table = table
        self._merge = merge
        self._statements: dict[str, Executable] = {}

    def write(self, conn: Connection, row: Parameters) -> None:
        dialect = conn.dialect.name
        if dialect not in self._statements:
            self._statements[dialect] = self._statement(dialect)
        write(conn, self._statements[dialect], row)

    def _statement(self, dialect: str) -> Executable:
        insertion: Any
        if dialect == "postgresql":
            from sqlalchemy.dialects import postgresql  # here, because SQLite does not need it

            insertion = postgresql.insert(self._table)
        else:
            insertion = sqlite.insert(self._table)
        statement: Executable = insertion.on_conflict_do_update(
            index_elements=[column.name for column in self._table.primary_key],
            set_=self._merge(insertion.excluded, self._table.c),
        )
        return statement
