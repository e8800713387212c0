"""Fold the events of organizations into the values that decide on usage, without figures."""

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


class State(NamedTuple):
    """An organization's row without its figures; a stored row may hold any values."""

    name: Any
    status: Any
    quota_bytes: Any
    version: Any


def states_from_events(conn: Connection, org_ids: Sequence[UUID]) -> dict[UUID, State]:
    """Return the state of each organization that has events, folded from its rare events, which an
    index finds.
    """
    rare = (
        select(events.c.org_id, *(events.c[name] for name in StreamEvent._fields))
        .where(events.c.org_id.in_(org_ids), IS_LIFECYCLE_EVENT)
        .order_by(events.c.org_id, events.c.position)
    )
    last = (
        select(func.max(events.c.version))
        .where(events.c.org_id == logs.c.org_id, events.c.stream_id == logs.c.org_id)
        .scalar_subquery()
    )
    versions = dict(
        tuple(row)
        for row in conn.execute(select(logs.c.org_id, last).where(logs.c.org_id.in_(org_ids)))
    )
    states = {}
    for org_id, rows in groupby(conn.execute(rare), key=lambda row: row.org_id):
        later = (StreamEvent(*row[1:]) for row in rows)
        state: Organization | None
        try:
            state = fold(ORGANIZATION.decider, None, (each.event for each in later))
        except SchemaMismatch as error:  # so that the other organizations are still compared
            raise CorruptLog(error.message, error.hint) from error
        if state is not None:
            version = versions.get(org_id)
            states[org_id] = State(state.name, state.status.value, state.quota_bytes, version)
    return states
