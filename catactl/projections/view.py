"""What every view does, and a statement that inserts a row or merges into the one that is there."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.base import Executable

from catactl.domain.decider import Event
from catactl.store.event_log import Recorded
from catactl.store.query import Parameters
from catactl.store.wire import write


class Happened(NamedTuple):
    """An event and its row."""

    recorded: Recorded
    event: Event


class View(Protocol):
    """A table of its own that `apply` keeps up with the log, inside the command's transaction."""

    NAME: str
    TABLE: Table
    LISTENS: tuple[type[Event], ...]

    def apply(self, conn: Connection, org_id: UUID, happened: Sequence[Happened]) -> None:
        """Bring the organization's rows up to the given events, oldest first."""


class Upsert:
    """INSERT … ON CONFLICT DO UPDATE, for both dialects.

    `merge` gets the new row's columns and the present row's, and returns what to set.
    """

    def __init__(self, table: Table, merge: Any) -> None:
        key = [column.name for column in table.primary_key]
        for_postgresql = postgresql.insert(table)
        for_sqlite = sqlite.insert(table)
        self._statements: Mapping[str, Executable] = {
            "postgresql": for_postgresql.on_conflict_do_update(
                index_elements=key, set_=merge(for_postgresql.excluded, table.c)
            ),
            "sqlite": for_sqlite.on_conflict_do_update(
                index_elements=key, set_=merge(for_sqlite.excluded, table.c)
            ),
        }

    def write(self, conn: Connection, row: Parameters) -> None:
        write(conn, self._statements[conn.dialect.name], row)


Columns = Mapping[str, ColumnElement[Any]]
