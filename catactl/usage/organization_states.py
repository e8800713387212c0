"""Fold organizations from their events into the values that decide on usage, without figures."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, func, select

from catactl.domain.decider import fold
from catactl.domain.organization import Organization
from catactl.errors import CorruptLog, SchemaMismatch
from catactl.store.event_log import StreamEvent
from catactl.store.tables import IS_LIFECYCLE_EVENT, events, logs
from catactl.wiring.flow import ORGANIZATION


class OrganizationState(NamedTuple):
    """An organization's row without its figures. A stored row may hold values of any type."""

    name: Any
    status: Any
    quota_bytes: Any
    version: Any


def states_from_events(conn: Connection, org_ids: Sequence[UUID]) -> dict[UUID, OrganizationState]:
    """Return the state of each organization that has events. An index finds its lifecycle events,
    so the other events are not read.
    """
    lifecycle_events = (
        select(events.c.org_id, *(events.c[name] for name in StreamEvent._fields))
        .where(events.c.org_id.in_(org_ids), IS_LIFECYCLE_EVENT)
        .order_by(events.c.org_id, events.c.position)
    )
    last_version = (
        select(func.max(events.c.version))
        .where(events.c.org_id == logs.c.org_id, events.c.stream_id == logs.c.org_id)
        .scalar_subquery()
    )
    rows = conn.execute(select(logs.c.org_id, last_version).where(logs.c.org_id.in_(org_ids)))
    versions = {row[0]: row[1] for row in rows}
    states = {}
    for org_id, group in groupby(conn.execute(lifecycle_events), key=lambda row: row.org_id):
        decoded = (StreamEvent(*row[1:]).event for row in group)
        state: Organization | None
        try:
            state = fold(ORGANIZATION.decider, None, decoded)
        except SchemaMismatch as error:  # because the other organizations are still compared
            raise CorruptLog(error.message, error.hint) from error
        if state is not None:
            version = versions.get(org_id)
            states[org_id] = OrganizationState(
                state.name, state.status.value, state.quota_bytes, version
            )
    return states
