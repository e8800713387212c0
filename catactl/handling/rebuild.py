"""Rebuild projections and stored states from the events, one organization at a time under its lock,
while others write.

A table is rewritten only if one of its rows differs from the events.
"""

import shlex
from collections.abc import Collection, Iterator
from uuid import UUID

from sqlalchemy import Connection, Table, delete, insert

from catactl.domain.decider import fold
from catactl.domain.organization import Organization
from catactl.errors import AlreadyExists
from catactl.handling.replay import TABLES, Replay, replay
from catactl.handling.row_check import differences, is_orphan
from catactl.store import event_log, log_queries, name_lookup
from catactl.store.sql.bulk import batched
from catactl.store.sql.guarded_statement import SqlRow
from catactl.store.sql.statements import begin, write_all
from catactl.store.tables import files, job_configurations, organization_names
from catactl.wiring.flow import ORGANIZATION

_ROWS_AT_ONCE = 10_000
# Tables in which a name belongs to one live row, and the noun of the commands for it.
_NAMED = {files: "file", job_configurations: "job"}


def rebuild(conn: Connection, org_id: UUID, names: Collection[str] | None = None) -> dict[str, int]:
    """Replace an organization's rows by the rows that follow from its events, if they differ.
    Without names rebuild all. Return the number of events of each rebuilt projection by its name,
    and of the states.

    The rows are byte for byte as commands write them. Call it with the log locked.
    """
    replayed = replay(conn, org_id)
    chosen = replayed.counts if names is None else names
    for table, name in TABLES.items():
        if name in chosen and _count(differences(conn, replayed, table)):
            if table is organization_names:
                _replace_name(conn, replayed)
            else:
                if table in _NAMED:
                    _check_live_names(replayed, table)
                conn.execute(delete(table).where(table.c.org_id == org_id))
                _insert(conn, table, replayed.rows(table))
    return {name: replayed.counts[name] for name in chosen}


def delete_orphans(conn: Connection, names: Collection[str]) -> None:
    """Delete the rows of organizations that have neither a log nor an event."""
    begin(conn)  # because locking a log begins a transaction, but no log is locked
    for table, name in TABLES.items():
        if name in names:
            conn.execute(delete(table).where(is_orphan(table)))


def _count(found: Iterator[object]) -> int:
    return sum(1 for _ in found)  # consumed whole, because rows are read while the query runs


def _insert(conn: Connection, table: Table, rows: Iterator[SqlRow]) -> None:
    columns = tuple(table.columns.keys())
    for batch in batched(rows, _ROWS_AT_ONCE):
        write_all(conn, table, columns, batch)


def _check_live_names(replayed: Replay, table: Table) -> None:
    """Raise `AlreadyExists` if two live files, or two live jobs, have one name in the events: the
    row of the first was lost when the second was created.
    """
    noun, (id_column,) = _NAMED[table], [key for key in table.primary_key if key.name != "org_id"]
    id_at, name_at, deleted_at = map(
        list(table.columns).index, (id_column, table.c.name, table.c.deleted)
    )
    live: dict[str, UUID] = {}
    for row in replayed.rows(table):
        if row[deleted_at]:
            continue
        name, other = row[name_at], live.setdefault(row[name_at], row[id_at])
        if other != row[id_at]:
            raise AlreadyExists(
                f"{noun}s {other} and {row[id_at]} both have the name {name!r}",
                f"delete the one that is still stored: "
                f"catactl {noun} delete {replayed.org_id} {shlex.quote(name)}",
            )


def _replace_name(conn: Connection, replayed: Replay) -> None:
    """Give an organization the name in its events, and delete its other names.

    Take the name from another organization if that one has another name in its own events. Raise
    `AlreadyExists` if it has the same name there, because then an operator has to decide.
    """
    org_id, column = replayed.org_id, organization_names.c
    name = next((row[0] for row in replayed.rows(organization_names)), None)
    others = column.name.is_distinct_from(name)
    conn.execute(delete(organization_names).where(column.org_id == org_id, others))
    if name is None:
        return
    holder = name_lookup.find_organization(conn, name)
    if holder == org_id:
        return
    if holder is not None:
        if _live_name(conn, holder) == name:
            raise AlreadyExists(
                f"organizations {holder} and {org_id} both have the name {name!r}",
                f"rename one of them: catactl org rename {org_id} NEW",
            )
        conn.execute(delete(organization_names).where(column.name == name))
    conn.execute(insert(organization_names), {"name": name, "org_id": org_id})


def _live_name(conn: Connection, org_id: UUID) -> str | None:
    """Return the name in an organization's events; None if it has no events or is deleted."""
    later = log_queries.organization_events(conn, org_id, event_log.END)
    state: Organization | None = fold(ORGANIZATION.decider, None, (each.event for each in later))
    return state.live_name if state is not None else None
