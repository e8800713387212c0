"""Find organizations, files, jobs and users by the names or ids that people type.

All Unicode forms of a name are equal, both of a typed and of a stored name.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, func, or_, select, union

from catactl.errors import NotFound
from catactl.store import canonical_json
from catactl.store.sql.bulk import batched
from catactl.store.tables import (
    files,
    is_live,
    job_configurations,
    logs,
    organization_names,
    organizations,
    users,
)
from catactl.values.ids import parse_id
from catactl.values.spelling import normalized, spellings

_MANY_NAMES = 10_000
_NAMES = select(organization_names.c.name, organization_names.c.org_id)


def resolve_organization(conn: Connection, reference: str) -> UUID:
    """Return the id of a live organization by name, or of any organization by id; raise
    `NotFound`.
    """
    org_id = find_organizations(conn, [reference]).get(reference)
    if org_id is None:
        raise _no_organization(conn, reference)
    return org_id


def _no_organization(conn: Connection, reference: str) -> NotFound:
    from catactl.store.name_history import bearers  # here, because it loads the whole domain

    last = next(reversed(bearers(conn, reference)), None) if parse_id(reference) is None else None
    if last is not None and last.until is not None:
        became = "deleted" if last.is_deleted else "renamed"
        return NotFound(
            f"no organization {reference!r}",
            f"organization {last.org_id} had this name until it was {became} at "
            f"{canonical_json.format_instant(last.until)}; see: catactl org list --all",
        )
    names = select(organization_names.c.name).order_by(organization_names.c.name)
    return _not_found(conn, "organization", reference, names, "catactl org list")


def find_organization(conn: Connection, name: str) -> UUID | None:
    """Return the id of the live organization with a name, None if there is none."""
    return _ids_by_name(conn, _NAMES, organization_names.c.name, [name]).get(name)


def find_organizations(conn: Connection, references: Collection[str]) -> dict[str, UUID]:
    """Return the id of each organization that exists, by its name or id in `references`."""
    ids = {reference: id_ for reference in references if (id_ := parse_id(reference)) is not None}
    names = [reference for reference in references if reference not in ids]
    by_id = organizations.c.org_id
    existing = set(_rows_with_values(conn, select(by_id), by_id, ids.values()))
    named = _ids_by_name(conn, _NAMES, organization_names.c.name, names)
    return named | {reference: id_ for reference, id_ in ids.items() if (id_,) in existing}


def is_named(column: Column[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that a column contains a name, in any Unicode form."""
    forms = spellings(name)
    return column == name if len(forms) == 1 else column.in_(forms)


def _ids_by_name(
    conn: Connection, query: Select[Any], column: Column[Any], names: Collection[str]
) -> dict[str, UUID]:
    """Return the ids of a query for names and ids, by the name in `names`."""
    forms = [form for name in names for form in spellings(name)]
    stored = dict(_rows_with_values(conn, query, column, forms))
    found = {
        name: next((stored[form] for form in spellings(name) if form in stored), None)
        for name in names
    }
    return {name: id_ for name, id_ in found.items() if id_ is not None}


def _rows_with_values(
    conn: Connection, query: Select[Any], column: Column[Any], values: Iterable[Any]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query in which a column has one of the values. Query them in batches."""
    for batch in batched(values):
        yield from map(tuple, conn.execute(query.where(column.in_(batch))))


def all_logs(conn: Connection) -> list[UUID]:
    """Return the ids of all organizations, oldest first. Include deleted organizations, and those
    whose log or state is lost, because checks must find them.
    """
    ids = (select(table.c.org_id) for table in (logs, organizations, organization_names))
    return sorted(conn.execute(union(*ids)).scalars())


def organizations_or_all(conn: Connection, references: Sequence[str] | None) -> list[UUID]:
    """Return the ids of the given organizations without duplicates, or of all if none is given."""
    if not references:
        return all_logs(conn)
    return list(dict.fromkeys(resolve_organization(conn, each) for each in references))


def organization_name(conn: Connection, org_id: UUID) -> str | None:
    """Return an organization's stored name, None if its state is missing."""
    return conn.execute(
        select(organizations.c.name).where(organizations.c.org_id == org_id)
    ).scalar()


def find_all_live(
    conn: Connection, table: Table, org_id: UUID, names: Collection[str]
) -> dict[str, UUID]:
    """Return the ids of the live files or jobs that have one of the names."""
    query = select(table.c.name, _id_column(table)).where(table.c.org_id == org_id, is_live(table))
    return _ids_by_name(conn, query, table.c.name, names)


def resolve_file(conn: Connection, org_id: UUID, reference: str) -> UUID:
    """Return a file's id by id or name; raise `NotFound`. With a name prefer the live file, then
    the file created last.
    """
    return _resolve(conn, files, org_id, reference)


def resolve_job(conn: Connection, org_id: UUID, reference: str) -> UUID:
    """Return a job's id by id or name, as `resolve_file` does."""
    return _resolve(conn, job_configurations, org_id, reference)


def resolve_user(conn: Connection, org_id: UUID, reference: str) -> UUID:
    """Return a user's id by id or e-mail address; raise `NotFound`."""
    user_id = parse_id(reference)
    matches = users.c.user_id == user_id if user_id else is_named(users.c.email, reference.lower())
    id_: UUID | None = conn.execute(
        select(users.c.user_id).where(users.c.org_id == org_id, matches).limit(1)
    ).scalar()
    if id_ is None:
        emails = select(users.c.email).where(users.c.org_id == org_id).order_by(users.c.email)
        raise _not_found(conn, "user", reference, emails, "catactl user list ORG")
    return id_


def organization_names_from(conn: Connection, prefix: str, limit: int) -> list[str]:
    """Return at most `limit` names of live organizations with a prefix, in order."""
    return _with_prefix(conn, select(organization_names.c.name), prefix, limit)


def names_from(
    conn: Connection, kind: str, org_id: UUID, prefix: str, limit: int, *, deleted: bool = False
) -> list[str]:
    """Return at most `limit` names of an organization's live files or jobs with a prefix, or of its
    deleted ones, in order. For users return e-mail addresses. `kind` is file, job or user.
    """
    if kind == "user":
        query = select(users.c.email).where(users.c.org_id == org_id)
    else:
        table = files if kind == "file" else job_configurations
        query = select(table.c.name).distinct().where(table.c.org_id == org_id)
        query = query.where(table.c.deleted if deleted else is_live(table))
    return _with_prefix(conn, query, prefix, limit)


def _with_prefix(conn: Connection, query: Select[Any], prefix: str, limit: int) -> list[str]:
    (name,) = query.selected_columns
    # Do not use LIKE, because it needs escaping, and ignores case on SQLite.
    forms = spellings(prefix)
    query = query.where(or_(*(func.substr(name, 1, len(form)) == form for form in forms)))
    if conn.dialect.name == "sqlite":  # which sorts by code point, so a range can use the index
        query = query.where(or_(*(name.between(form, f"{form}\U0010ffff") for form in forms)))
    return list(conn.execute(query.order_by(name).limit(limit)).scalars())


def _id_column(table: Table) -> Column[UUID]:
    return table.c.file_id if table is files else table.c.job_id


def _resolve(conn: Connection, table: Table, org_id: UUID, reference: str) -> UUID:
    id_ = find(conn, table, org_id, reference)
    if id_ is None:
        raise not_found(conn, table, org_id, reference)
    return id_


def not_found(conn: Connection, table: Table, org_id: UUID, reference: str) -> NotFound:
    """Return the error for a file or job that does not exist, which suggests similar names."""
    kind = "file" if table is files else "job"
    query = select(table.c.name).where(table.c.org_id == org_id, ~table.c.deleted)
    names = query.order_by(table.c.name)
    return _not_found(conn, kind, reference, names, f"catactl {kind} list ORG")


def find(conn: Connection, table: Table, org_id: UUID, reference: str) -> UUID | None:
    """Return the id of a file or job by id or name, None if there is none. With a name prefer the
    live one, then the one created last.
    """
    id_column = _id_column(table)
    id_ = parse_id(reference)
    matches = id_column == id_ if id_ is not None else is_named(table.c.name, reference)
    found_id: UUID | None = conn.execute(
        select(id_column)
        .where(table.c.org_id == org_id, matches)
        .order_by(table.c.deleted, table.c.created_at.desc(), id_column.desc())
        .limit(1)
    ).scalar()
    return found_id


def _not_found(conn: Connection, kind: str, reference: str, names: Any, listing: str) -> NotFound:
    candidates = (
        [] if parse_id(reference) else list(conn.execute(names.limit(_MANY_NAMES)).scalars())
    )
    close = get_close_matches(normalized(reference), candidates, n=3, cutoff=0.6)
    hint = f"did you mean {', '.join(map(repr, close))}?" if close else f"see: {listing}"
    return NotFound(f"no {kind} {reference!r}", hint)
