"""Organizations as they are."""

from collections.abc import Iterator
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, select

from catactl.queries.rows import organization_row, stream_rows
from catactl.results.organizations import OrganizationResult
from catactl.results.result import result_from
from catactl.store.tables import organizations

_COLUMNS = organizations.c
_ORGANIZATIONS = select(*(_COLUMNS[name] for name in OrganizationResult.__annotations__)).order_by(
    _COLUMNS.name, _COLUMNS.org_id
)
_result = partial(result_from, OrganizationResult)


def list_organizations(conn: Connection, *, deleted: bool = False) -> Iterator[OrganizationResult]:
    """Yield organizations in order of name; with `deleted` also deleted ones."""
    live = _ORGANIZATIONS.where(_COLUMNS.status != "deleted")
    return map(_result, stream_rows(conn, _ORGANIZATIONS if deleted else live))


def get_organization(conn: Connection, org_id: UUID) -> OrganizationResult:
    """Return an organization; raise `NotFound` if its state row was lost."""
    return _result(organization_row(conn, _ORGANIZATIONS, org_id))
