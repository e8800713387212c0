"""Compare stored rows with the events: each row of each table that follows from events.

`users` and `idempotency_keys` are not compared, because they have no events.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, exists, select

from catactl.errors import CorruptLog, SchemaMismatch
from catactl.handling.replay import TABLES, Replay, replay, stream_column
from catactl.store import name_lookup
from catactl.store.sql.engine import reading
from catactl.store.sql.guarded_statement import SqlRow
from catactl.store.stored_rows import run_stored, select_stored, stored_rows, to_stored
from catactl.store.tables import events, logs

_SHOWN = 20


class RowDifference(NamedTuple):
    """A column of a stored row that differs from the events. Without a column the whole row is
    missing, or does not follow from any event.

    `key` is the row's primary key without the organization's id. Values are as the database holds
    them, as text.
    """

    table: str
    key: str
    problem: str
    column: str | None = None
    stored: str | None = None
    from_events: str | None = None


@dataclass
class CheckedRows:
    """The result of comparing an organization: the number of differences, and the first of them.

    `error` is the reason if nothing could be compared. Rows of an organization without any event
    have the id that they hold.
    """

    org_id: str
    name: str | None = None
    differences: int = 0
    first: list[RowDifference] = field(default_factory=list)
    error: CorruptLog | SchemaMismatch | None = None

    @property
    def differs(self) -> bool:
        return self.differences > 0 or self.error is not None

    def add(self, found: Iterable[RowDifference]) -> None:
        """Count the differences, and keep the first few."""
        for difference in found:
            self.differences += 1
            if len(self.first) < _SHOWN:
                self.first.append(difference)


def check(engine: Engine, org_ids: Sequence[UUID]) -> Iterator[CheckedRows]:
    """Yield the result for each organization, each from a consistent snapshot.

    If the events of one organization cannot be read, the others are still compared.
    """
    for org_id in org_ids:
        try:
            with reading(engine) as conn:
                yield compare(conn, org_id)
        except (CorruptLog, SchemaMismatch) as error:
            yield CheckedRows(str(org_id), _stored_name(engine, org_id), error=error)


def compare(conn: Connection, org_id: UUID) -> CheckedRows:
    """Compare all rows of an organization with its events; raise `CorruptLog` if the events cannot
    be read.
    """
    events_say = replay(conn, org_id)
    checked = CheckedRows(str(org_id), events_say.name)
    for table in TABLES:
        checked.add(differences(conn, events_say, table))
    return checked


def differences(conn: Connection, events_say: Replay, table: Table) -> Iterator[RowDifference]:
    """Yield the differences between an organization's rows of a table and its events.

    Rows are read in the order of their key, and compared one stream at a time.
    """
    to_row = to_stored(conn, table)
    stream_at = list(table.columns).index(stream_column(table))
    left = {str(stream_id): stream_id for stream_id in events_say.streams(table)}
    stored = stored_rows(conn, table, events_say.org_id)
    for stored_id, rows in groupby(stored, key=itemgetter(stream_at)):
        stream_id = left.pop(stored_id, None)
        expected = events_say.rows_of(table, stream_id) if stream_id is not None else ()
        yield from _differences(table, rows, map(to_row, expected))
    for stream_id in left.values():
        yield from _differences(table, (), map(to_row, events_say.rows_of(table, stream_id)))


def _differences(
    table: Table, stored: Iterable[SqlRow], expected: Iterable[SqlRow]
) -> Iterator[RowDifference]:
    key_of = _key_of(table)
    left = {key_of(row): row for row in expected}
    for row in stored:
        key = key_of(row)
        from_events = left.pop(key, None)
        if from_events is None:
            yield RowDifference(table.name, _words(key), "extra")
        elif row != from_events:
            for column, value, should_be in zip(table.columns, row, from_events, strict=True):
                if value != should_be:
                    values = _as_text(value), _as_text(should_be)
                    yield RowDifference(table.name, _words(key), "changed", column.name, *values)
    for key in left:
        yield RowDifference(table.name, _words(key), "missing")


@cache
def _key_of(table: Table) -> Callable[[SqlRow], Any]:
    """Return a function that extracts the key from a row, without the organization's id unless the
    key has no other column.
    """
    columns = list(table.columns)
    key = [column for column in table.primary_key if column.name != "org_id"]
    return itemgetter(*map(columns.index, key or table.primary_key))


def _words(key: Any) -> str:
    return "/".join(str(_as_text(part)) for part in (key if isinstance(key, tuple) else (key,)))


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).encode("utf-8", "backslashreplace").decode()  # a text may not be UTF-8


# --- rows of organizations without a log ----------------------------------------------------------


def organization_ids(conn: Connection) -> list[UUID]:
    """Return, oldest first, the ids of all organizations that have a log, or that lost it but still
    have events and rows.
    """
    found = set(conn.execute(select(logs.c.org_id)).scalars())
    for table in TABLES:
        lost = select(table.c.org_id).distinct().where(~_has(logs, table), _has(events, table))
        found |= set(conn.execute(lost).scalars())
    return sorted(found)


def orphans(conn: Connection) -> list[CheckedRows]:
    """Return the rows of organizations that have neither a log nor an event."""
    found: dict[Any, CheckedRows] = {}
    for table in TABLES:
        org_at = list(table.columns).index(table.c.org_id)
        query = select_stored(conn, table).where(is_orphan(table))
        for row in run_stored(conn, table, query):
            checked = found.setdefault(row[org_at], CheckedRows(str(_as_text(row[org_at]))))
            checked.add([RowDifference(table.name, _words(_key_of(table)(row)), "extra")])
    return list(found.values())


def is_orphan(table: Table) -> ColumnElement[bool]:
    """Return the condition of rows whose organization has neither a log nor an event.

    One statement sees both or neither, because a transaction commits an organization's first rows
    together.
    """
    return and_(~_has(logs, table), ~_has(events, table))


def _has(table: Table, of: Table) -> ColumnElement[bool]:
    return exists().where(table.c.org_id == of.c.org_id)


def _stored_name(engine: Engine, org_id: UUID) -> str | None:
    """Return the stored name of an organization whose events cannot be read."""
    with suppress(CorruptLog), reading(engine) as conn:
        return name_lookup.organization_name(conn, org_id)
    return None
