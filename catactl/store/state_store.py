"""Store the states of an aggregate between commands, as rows of tables.

A stored state is a cache of its stream's events. The connection comes first, in a transaction that
the caller begins and commits.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Column, Connection, Table, bindparam, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from catactl.errors import VersionConflict
from catactl.store.sql.guarded_statement import SqlRow
from catactl.store.sql.statements import write

S = TypeVar("S")


class Stored(NamedTuple, Generic[S]):
    """A state and the version of the stream that it was folded to."""

    state: S
    version: int


class StateStore(ABC, Generic[S]):
    """The store of one aggregate. `tables` maps each table that holds rows of a state to the column
    with the id of the row's stream; the first, `table`, has one row per state.

    A subclass converts between a state and its row.
    """

    def __init__(self, *id_columns: Column[UUID], constant: Collection[str] = ()) -> None:
        """Make the statements. `constant` names columns whose values never change."""
        self.tables: Mapping[Table, Column[UUID]] = {column.table: column for column in id_columns}
        self.constant = constant
        self.table, self._id = id_columns[0].table, id_columns[0].name
        # SQLAlchemy reserves the names of columns for parameters of its own.
        self._changing = {
            column.name: f"new_{column.name}"
            for column in self.table.columns
            if not column.primary_key and column.name not in constant
        }
        is_it = _is_row_of(id_columns[0])
        is_at_version = self.table.c.version == bindparam("before_version")
        self._select = select(self.table).where(is_it)
        self._insert = insert(self.table)
        self._update = (
            update(self.table)
            .where(is_it, is_at_version)
            .values({name: bindparam(parameter) for name, parameter in self._changing.items()})
        )
        self._deletes = [delete(column.table).where(_is_row_of(column)) for column in id_columns]

    @abstractmethod
    def to_row(self, state: S, version: int) -> dict[str, Any]:
        """Return the values of the state's row, by column, without the ids."""

    @abstractmethod
    def from_row(self, conn: Connection, row: Any) -> S | None:
        """Return the state of a row; None if other rows of the state are missing."""

    def rows(
        self, table: Table, org_id: UUID, id_: UUID, state: S, version: int
    ) -> Iterator[SqlRow]:
        """Yield the rows of a table that store a state, in the order of the primary key, with
        values in the order of the columns.
        """
        ids = {"org_id": org_id, self._id: id_}
        yield in_order(table, ids | self.to_row(state, version))

    def get_by_id(self, conn: Connection, org_id: UUID, id_: UUID) -> Stored[S] | None:
        """Return the stored state of a stream."""
        row = conn.execute(self._select, self._ids(org_id, id_)).one_or_none()
        state = self.from_row(conn, row) if row is not None else None
        return Stored(state, row.version) if row is not None and state is not None else None

    def persist(
        self,
        conn: Connection,
        org_id: UUID,
        id_: UUID,
        state: S,
        version: int,
        before: Stored[S] | None,
    ) -> None:
        """Write the differences from `before`, which `get_by_id` returned. Raise
        `VersionConflict` if the stored version is another.
        """
        row = self.to_row(state, version)
        if before is None:
            write(conn, self._insert, {"org_id": org_id, self._id: id_, **row})
        else:
            values = {parameter: row[name] for name, parameter in self._changing.items()}
            at = {**self._ids(org_id, id_), "before_version": before.version}
            write(conn, self._update, at | values, stale)

    def upsert(self, conn: Connection, org_id: UUID, id_: UUID, state: S, version: int) -> None:
        """Replace all rows of a stream, for a rebuild."""
        self.delete(conn, org_id, id_)
        self.persist(conn, org_id, id_, state, version, None)

    def delete(self, conn: Connection, org_id: UUID, id_: UUID) -> None:
        """Delete all rows of a stream. Its events stay, so the next command stores it again."""
        for statement in self._deletes:
            write(conn, statement, self._ids(org_id, id_))

    def _ids(self, org_id: UUID, id_: UUID) -> dict[str, Any]:
        return {"of_org_id": org_id, f"of_{self._id}": id_}


def _is_row_of(id_column: Column[UUID]) -> ColumnElement[bool]:
    """Return the condition that a row belongs to the stream of an id."""
    org_id: ColumnElement[bool] = id_column.table.c.org_id == bindparam("of_org_id")
    if id_column.name == "org_id":
        return org_id
    return org_id & (id_column == bindparam(f"of_{id_column.name}"))


def in_order(table: Table, row: Mapping[str, Any]) -> SqlRow:
    """Return a row's values in the order of a table's columns."""
    return tuple(row[column.name] for column in table.columns)


def stale() -> VersionConflict:
    """Return the error for a stored state whose version is not the version that was read."""
    return VersionConflict("a stored state is not at the version that was read", "run it again")
