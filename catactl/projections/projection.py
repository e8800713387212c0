"""What every view does, and a statement that inserts a row or merges into the one that is there."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.base import Executable

from catactl.domain.decider import Event
from catactl.store.event_log import StoredEvent
from catactl.store.sql.guarded_statement import Parameters
from catactl.store.sql.statements import write


class DecodedEvent(NamedTuple):
    """An event and its row."""

    recorded: StoredEvent
    event: Event


# Rows of a view, each a mapping of columns, under a key that the view chooses. A row may also hold
# values that are no columns, because the next event needs them.
Rows = dict[Any, dict[str, Any]]


class Projection(Protocol):
    """A table that `apply` updates with the log, inside the command's transaction.

    `fold` defines the rows. Checks and rebuilds use `fold` alone.
    """

    NAME: str
    TABLE: Table
    LISTENS: tuple[type[Event], ...]

    def fold(self, rows: Rows, org_id: UUID, happened: Sequence[DecodedEvent]) -> None:
        """Update an organization's rows with the given events, oldest first."""

    def apply(self, conn: Connection, org_id: UUID, happened: Sequence[DecodedEvent]) -> None:
        """Update the organization's stored rows with the given events, oldest first."""


class Upsert:
    """INSERT … ON CONFLICT DO UPDATE, for both dialects.

    `merge` gets the new row's columns and the present row's, and returns what to set.
    """

    def __init__(self, table: Table, merge: Any) -> None:
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
            from sqlalchemy.dialects import postgresql  # which SQLite does without

            insertion = postgresql.insert(self._table)
        else:
            insertion = sqlite.insert(self._table)
        statement: Executable = insertion.on_conflict_do_update(
            index_elements=[column.name for column in self._table.primary_key],
            set_=self._merge(insertion.excluded, self._table.c),
        )
        return statement


Columns = Mapping[str, ColumnElement[Any]]
