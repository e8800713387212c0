"""Find the organizations that were renamed or deleted after a moment, as they were before it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Text, select

from catactl.domain.organization import (
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationRenamed,
)
from catactl.store.codec import EVENT_NAMES
from catactl.store.effective_time import effective, limits_by_log
from catactl.store.sql.functions import payload_field
from catactl.store.tables import IS_LIFECYCLE_EVENT, events

_CREATED = EVENT_NAMES[OrganizationCreated]
_RENAMED = EVENT_NAMES[OrganizationRenamed]
_DELETED = EVENT_NAMES[OrganizationDeleted]


class PastOrganization(NamedTuple):
    name: str | None
    is_deleted: bool


def organizations_changed_since(conn: Connection, end: datetime) -> dict[UUID, PastOrganization]:
    """Return the organizations that were renamed or deleted after a period's end, as they were at
    its end. A report uses these, because later changes must not change it.
    """
    name = payload_field(events.c.payload, "name", Text())
    changed = (
        select(events.c.org_id)
        .where(
            IS_LIFECYCLE_EVENT, events.c.type.in_((_RENAMED, _DELETED)), events.c.recorded_at >= end
        )
        .correlate(None)
    )
    rows = conn.execute(
        select(events.c.org_id, events.c.position, events.c.type, name, events.c.recorded_at)
        .where(
            IS_LIFECYCLE_EVENT,
            events.c.type.in_((_CREATED, _RENAMED, _DELETED)),
            events.c.org_id.in_(changed),
        )
        .order_by(events.c.org_id, events.c.position)
    ).all()
    limits = limits_by_log(conn) if rows else {}
    found: dict[UUID, PastOrganization] = {}
    for org_id, position, type_, new_name, recorded_at in rows:
        if effective(limits.get(org_id, ()), position, recorded_at) < end:
            if type_ == _DELETED:
                new_name = found[org_id].name if org_id in found else None
            found[org_id] = PastOrganization(new_name, type_ == _DELETED)
    return found
