"""Organizations as they are."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from catactl.queries.rows import organization_row, stream_rows
from catactl.results.organizations import OrganizationResult
from catactl.store.canonical_json import format_instant
from catactl.store.tables import organizations

_COLUMNS = organizations.c
_ORGANIZATIONS = select(
    _COLUMNS.org_id,
    _COLUMNS.name,
    _COLUMNS.status,
    _COLUMNS.used_bytes,
    _COLUMNS.quota_bytes,
    _COLUMNS.created_at,
    _COLUMNS.version,
).order_by(_COLUMNS.name, _COLUMNS.org_id)


def list_organizations(conn: Connection, *, deleted: bool = False) -> Iterator[OrganizationResult]:
    """Yield organizations in order of name; with `deleted` also deleted ones."""
    live = _ORGANIZATIONS.where(_COLUMNS.status != "deleted")
    return map(_result, stream_rows(conn, _ORGANIZATIONS if deleted else live))


def get_organization(conn: Connection, org_id: UUID) -> OrganizationResult:
    """Return an organization; raise `NotFound` if its state row was lost."""
    return _result(organization_row(conn, _ORGANIZATIONS, org_id))


def _result(row: RowMapping) -> OrganizationResult:
    return {
        "org_id": str(row["org_id"]),
        "name": row["name"],
        "status": row["status"],
        "used_bytes": row["used_bytes"],
        "quota_bytes": row["quota_bytes"],
        "created_at": format_instant(row["created_at"]),
        "version": row["version"],
    }
