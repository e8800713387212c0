"""Find the organizations that had a name in the past, from their events.

A name is available again after its organization is deleted or renamed, so several organizations may
have had it.
"""

from collections.abc import Iterator
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
from catactl.values.spelling import spellings

_NAMED = (EVENT_NAMES[OrganizationCreated], EVENT_NAMES[OrganizationRenamed])
_DELETED = EVENT_NAMES[OrganizationDeleted]


class Bearer(NamedTuple):
    """An organization, and the period in which it had a name. `until` is excluded; it is None for
    the organization that has the name now.
    """

    org_id: UUID
    since: datetime
    until: datetime | None
    is_deleted: bool

    def had_it_between(self, start: datetime | None, end: datetime | None) -> bool:
        """Return whether it had the name at any time in an interval. None leaves an end open."""
        begins_before = end is None or self.since < end
        return begins_before and (start is None or self.until is None or self.until > start)


def bearers(conn: Connection, name: str) -> list[Bearer]:
    """Return all organizations that ever had a name, the earliest first."""
    new_name = payload_field(events.c.payload, "name", Text())
    forms = spellings(name)
    query = (
        select(events.c.org_id)
        .distinct()
        .where(IS_LIFECYCLE_EVENT, events.c.type.in_(_NAMED), new_name.in_(forms))
    )
    org_ids = conn.execute(query).scalars().all()
    rows = conn.execute(
        select(events.c.org_id, events.c.position, events.c.type, new_name, events.c.recorded_at)
        .where(
            IS_LIFECYCLE_EVENT, events.c.type.in_((*_NAMED, _DELETED)), events.c.org_id.in_(org_ids)
        )
        .order_by(events.c.org_id, events.c.position)
    )
    changes: dict[UUID, list[tuple[str, str | None, datetime]]] = {}
    limits = limits_by_log(conn, org_ids)
    for org_id, position, type_, later_name, recorded_at in rows:
        moment = effective(limits.get(org_id, ()), position, recorded_at)
        changes.setdefault(org_id, []).append((type_, later_name, moment))
    all_bearers = (each for org_id in changes for each in _terms(org_id, changes[org_id], forms))
    return sorted(all_bearers, key=lambda bearer: (bearer.since, bearer.org_id))


def _terms(
    org_id: UUID, changes: list[tuple[str, str | None, datetime]], forms: tuple[str, ...]
) -> Iterator[Bearer]:
    """Yield the periods in which an organization had a name, given each change of its name."""
    since: datetime | None = None
    for type_, name, moment in changes:
        has_it = type_ != _DELETED and name in forms
        if since is not None and not has_it:
            yield Bearer(org_id, since, moment, type_ == _DELETED)
            since = None
        elif since is None and has_it:
            since = moment
    if since is not None:
        yield Bearer(org_id, since, None, False)
