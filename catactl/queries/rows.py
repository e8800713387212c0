"""Read rows for queries."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select
from sqlalchemy.sql.base import Executable

from catactl.errors import CorruptLog, NotFound
from catactl.store.tables import organizations

_ROWS_AT_ONCE = 1_000


def stream_rows(conn: Connection, query: Executable) -> Iterator[RowMapping]:
    """Yield the rows of a query without holding all of them in memory."""
    result = conn.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
    yield from result.mappings()


def organization_row(conn: Connection, query: Select[Any], org_id: UUID) -> RowMapping:
    """Return the row of an organization; raise `NotFound` if its state was lost."""
    row = conn.execute(query.where(organizations.c.org_id == org_id)).mappings().one_or_none()
    if row is None:
        raise missing_row()
    return row


def missing_row() -> NotFound:
    """Return the error for an organization that has a log and a name, but no state row."""
    return NotFound("the organization's stored state is missing", "catactl usage recompute")


def stored_row(conn: Connection, query: Select[Any], noun: str, stream_id: UUID) -> RowMapping:
    """Return the row; raise `CorruptLog` if its id is stored in another form, as SQLite allows."""
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        raise CorruptLog(
            f"the stored row of {noun} {str(stream_id)!r} cannot be found by its id",
            "rebuild it: catactl projection rebuild",
        )
    return row
