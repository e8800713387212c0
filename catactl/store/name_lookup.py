"""Find organizations, files, jobs and users by the names or ids that people type.

A name is found whichever Unicode form was typed, and whichever was stored.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    func,
    or_,
    select,
    union,
)

from catactl.errors import NotFound
from catactl.store import canonical_json
from catactl.store.name_history import bearers
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


def resolve_organization(conn: Connection, reference: str) -> UUID:
    """Return the id of a live organization by name, or of any by id; raise `NotFound`."""
    org_id = parse_id(reference)
    found: UUID | None
    if org_id is not None:
        found = conn.execute(
            select(organizations.c.org_id).where(organizations.c.org_id == org_id)
        ).scalar()
    else:
        found = find_organization(conn, reference)
    if found is None:
        raise _no_organization(conn, reference)
    return found


def _no_organization(conn: Connection, reference: str) -> NotFound:
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
    """Return the id of the live organization of that name."""
    query = select(organization_names.c.name, organization_names.c.org_id)
    rows = conn.execute(query.where(is_named(organization_names.c.name, name)))
    return _by_spelling({row[0]: row[1] for row in rows}, [name]).get(name)


def find_organizations(conn: Connection, references: Collection[str]) -> dict[str, UUID]:
    """Return the organizations that are found by the names or ids, each under its own."""
    ids = {reference: id_ for reference in references if (id_ := parse_id(reference)) is not None}
    names = [reference for reference in references if reference not in ids]
    by_id, by_name = organizations.c.org_id, organization_names.c.name
    present = set(_rows_with_values(conn, select(by_id), by_id, list(ids.values())))
    found = _ids_by_name(conn, select(by_name, organization_names.c.org_id), by_name, names)
    return found | {reference: id_ for reference, id_ in ids.items() if (id_,) in present}


def is_named(column: Column[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that a column holds a name, in any Unicode form."""
    forms = spellings(name)
    return column == name if len(forms) == 1 else column.in_(forms)


def _ids_by_name(
    conn: Connection, query: Select[Any], column: Column[Any], names: Collection[str]
) -> dict[str, UUID]:
    """Return the ids that a query of names and ids finds, by the requested name."""
    forms = [form for name in names for form in spellings(name)]
    return _by_spelling(
        {row[0]: row[1] for row in _rows_with_values(conn, query, column, forms)}, names
    )


def _by_spelling(stored: Mapping[str, UUID], names: Iterable[str]) -> dict[str, UUID]:
    found = {}
    for name in names:
        form = next((form for form in spellings(name) if form in stored), None)
        if form is not None:
            found[name] = stored[form]
    return found


def _rows_with_values(
    conn: Connection, query: Select[Any], column: Column[Any], values: Sequence[Any]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query in which a column has one of the values, one batch a query."""
    for batch in batched(values):
        yield from map(tuple, conn.execute(query.where(column.in_(batch))))


def all_logs(conn: Connection) -> list[UUID]:
    """Return the ids of all organizations, oldest first: also deleted ones, and where no state, or
    no log, is stored, since their figures must hold as well.
    """
    known = (select(table.c.org_id) for table in (logs, organizations, organization_names))
    return sorted(conn.execute(union(*known)).scalars())


def organization_name(conn: Connection, org_id: UUID) -> str | None:
    """Return an organization's stored name, None if its state is missing."""
    return conn.execute(
        select(organizations.c.name).where(organizations.c.org_id == org_id)
    ).scalar()


def find_live(conn: Connection, table: Table, org_id: UUID, name: str) -> UUID | None:
    """Return the id of the live file or job (`table` says which) of that name."""
    return find_all_live(conn, table, org_id, [name]).get(name)


def find_all_live(
    conn: Connection, table: Table, org_id: UUID, names: Collection[str]
) -> dict[str, UUID]:
    """Return the ids of those live files or jobs that have one of the names."""
    query = select(table.c.name, _id_column(table)).where(table.c.org_id == org_id, is_live(table))
    return _ids_by_name(conn, query, table.c.name, names)


def resolve_file(conn: Connection, org_id: UUID, reference: str) -> UUID:
    """Return a file's id by id or name: the live one's, else the one deleted last; or
    `NotFound`.
    """
    return _resolve(conn, files, org_id, "file", reference)


def resolve_job(conn: Connection, org_id: UUID, reference: str) -> UUID:
    """Return a job's id by id or name, as `resolve_file` does."""
    return _resolve(conn, job_configurations, org_id, "job", reference)


def resolve_user(conn: Connection, org_id: UUID, reference: str) -> UUID:
    """Return a user's id by id or e-mail address; or raise `NotFound`."""
    user_id = parse_id(reference)
    is_it = users.c.user_id == user_id if user_id else is_named(users.c.email, reference.lower())
    found: UUID | None = conn.execute(
        select(users.c.user_id).where(users.c.org_id == org_id, is_it).limit(1)
    ).scalar()
    if found is None:
        emails = select(users.c.email).where(users.c.org_id == org_id).order_by(users.c.email)
        raise _not_found(conn, "user", reference, emails, "catactl user list ORG")
    return found


def organization_names_from(conn: Connection, begun: str, most: int) -> list[str]:
    """Return names of live organizations that begin so, in order, at most so many."""
    return _beginning(conn, select(organization_names.c.name), begun, most)


def names_from(
    conn: Connection, what: str, org_id: UUID, begun: str, most: int, *, deleted: bool = False
) -> list[str]:
    """Return names that begin so of live things of an organization, or of deleted ones, in order,
    at most so many. `what` is file, job or user; a user has an address for a name.
    """
    if what == "user":
        query = select(users.c.email).where(users.c.org_id == org_id)
    else:
        table = files if what == "file" else job_configurations
        query = select(table.c.name).distinct().where(table.c.org_id == org_id)
        query = query.where(table.c.deleted if deleted else is_live(table))
    return _beginning(conn, query, begun, most)


def _beginning(conn: Connection, query: Select[Any], begun: str, most: int) -> list[str]:
    (name,) = query.selected_columns
    # LIKE would need escaping, and on SQLite folds case.
    forms = spellings(begun)
    query = query.where(or_(*(func.substr(name, 1, len(form)) == form for form in forms)))
    if conn.dialect.name == "sqlite":  # whose names are in the order of their code points
        query = query.where(or_(*(name.between(form, f"{form}\U0010ffff") for form in forms)))
    return list(conn.execute(query.order_by(name).limit(most)).scalars())


def _id_column(table: Table) -> Column[UUID]:
    return table.c.file_id if table is files else table.c.job_id


def _resolve(conn: Connection, table: Table, org_id: UUID, what: str, reference: str) -> UUID:
    found = find(conn, table, org_id, reference)
    if found is None:
        names = (
            select(table.c.name)
            .where(table.c.org_id == org_id, ~table.c.deleted)
            .order_by(table.c.name)
        )
        raise _not_found(conn, what, reference, names, f"catactl {what} list ORG")
    return found


def find(conn: Connection, table: Table, org_id: UUID, reference: str) -> UUID | None:
    """Return the id of a file or job by id or name: the live one's, else the one deleted last."""
    id_column = _id_column(table)
    id_ = parse_id(reference)
    is_it = id_column == id_ if id_ is not None else is_named(table.c.name, reference)
    found: UUID | None = conn.execute(
        select(id_column)
        .where(and_(table.c.org_id == org_id, is_it))
        .order_by(table.c.deleted, table.c.created_at.desc(), id_column.desc())
        .limit(1)
    ).scalar()
    return found


def _not_found(conn: Connection, what: str, reference: str, names: Any, listing: str) -> NotFound:
    candidates = (
        [] if parse_id(reference) else list(conn.execute(names.limit(_MANY_NAMES)).scalars())
    )
    close = get_close_matches(normalized(reference), candidates, n=3, cutoff=0.6)
    hint = f"did you mean {', '.join(map(repr, close))}?" if close else f"see: {listing}"
    return NotFound(f"no {what} {reference!r}", hint)
