"""The interface of projections, and an upsert for both dialects."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.base import Executable, ReadOnlyColumnCollection

from catactl.domain.decider import Event
from catactl.store.event_log import StoredEvent
from catactl.store.sql.guarded_statement import Parameters
from catactl.store.sql.statements import write


class DecodedEvent(NamedTuple):
    """An event and its row."""

    stored: StoredEvent
    event: Event


# Rows by a key of the projection's choice, each a mapping of columns. A row may also hold values
# that are not columns, because `fold` needs them for the next event.
Rows = dict[Any, dict[str, Any]]


class Projection(Protocol):
    """A table that `apply` updates in the command's transaction.

    `fold` defines the rows. Checks and rebuilds use only `fold`.
    """

    NAME: str
    TABLE: Table
    LISTENS: tuple[type[Event], ...]

    def fold(self, rows: Rows, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
        """Update an organization's rows with the given events, oldest first."""

    def apply(self, conn: Connection, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
        """Update the organization's stored rows with the given events, oldest first."""


Columns = ReadOnlyColumnCollection[str, ColumnElement[Any]]


def _replace(new: Columns, present: Columns) -> Mapping[str, Any]:
    """Set all columns but those of the primary key to the values of the new row."""
    return {name: new[name] for name, column in present.items() if not column.primary_key}


class Upsert:
    """INSERT … ON CONFLICT DO UPDATE, for both dialects.

    `merge` gets the new row's columns and the present row's, and returns the values to set.
    """

    def __init__(
        self,
        table: Table,
        merge: Callable[[Columns, Columns], Mapping[str, Any]] = _replace,
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
            from sqlalchemy.dialects import postgresql  # lazy, because SQLite does not need it

            insertion = postgresql.insert(self._table)
        else:
            insertion = sqlite.insert(self._table)
        statement: Executable = insertion.on_conflict_do_update(
            index_elements=[column.name for column in self._table.primary_key],
            set_=self._merge(insertion.excluded, self._table.c),
        )
        return statement
