"""Storage usage as it is."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, select

from catactl.queries.rows import organization_row
from catactl.results.result import result_from
from catactl.results.usage import CurrentUsage
from catactl.store.tables import logs, organizations, storage_usage


def get_usage(conn: Connection, org_id: UUID) -> CurrentUsage:
    """Return an organization's usage; raise `NotFound` if its state row was lost."""
    return result_from(CurrentUsage, organization_row(conn, usage_query(), org_id))


def usage_query() -> Select[Any]:
    """Return a query for usage as of the last event in each log.

    A log without usage events has no row in the projection, and its usage is 0.
    """
    return (
        select(
            organizations.c.org_id,
            organizations.c.name,
            func.coalesce(storage_usage.c.used_bytes, 0).label("used_bytes"),
            organizations.c.quota_bytes,
            func.coalesce(storage_usage.c.file_count, 0).label("file_count"),
            func.coalesce(storage_usage.c.part_count, 0).label("part_count"),
            logs.c.position,
            logs.c.recorded_at.label("as_of"),
        )
        .join(logs, logs.c.org_id == organizations.c.org_id)
        .outerjoin(storage_usage, storage_usage.c.org_id == organizations.c.org_id)
    )
