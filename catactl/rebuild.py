"""Rebuilding views and stored states from the events, an organization at a time under its lock:
writers elsewhere go on.
"""

from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete

from catactl.projections.view import Happened, View
from catactl.store import codec, event_log
from catactl.store.tables import file_parts, files, job_configurations
from catactl.wiring import ORGANIZATION, aggregate_of_event

_EVENTS_AT_ONCE = 1_000
# Where states are, but for the organization's own: those that refer to others first.
_STATES = (file_parts, files, job_configurations)


def rebuild_view(conn: Connection, view: View, org_id: UUID) -> int:
    """Replace the organization's rows by what its events add up to; return how many events those
    are.

    The rows come out byte for byte as inline application leaves them. Call it with the log locked.
    """
    conn.execute(delete(view.TABLE).where(view.TABLE.c.org_id == org_id))
    names = {codec.EVENT_NAMES[event] for event in view.LISTENS}
    heard = (
        Happened(recorded, recorded.event)
        for recorded in event_log.read_after(conn, org_id)
        if recorded.type in names
    )
    count = 0
    while batch := list(islice(heard, _EVENTS_AT_ONCE)):
        view.apply(conn, org_id, batch)
        count += len(batch)
    return count


def rebuild_states(conn: Connection, org_id: UUID) -> int:
    """Replace the stored states of an organization, its files and jobs by what their events add up
    to; return how many events those are. It takes memory for all of these states.
    """
    states: dict[UUID, Any] = {}
    versions: dict[UUID, int] = {}
    aggregates = {}
    count = 0
    for recorded in event_log.read_after(conn, org_id):
        event, stream_id = recorded.event, recorded.stream_id
        aggregate = aggregates[stream_id] = aggregate_of_event(event)
        states[stream_id] = aggregate.decider.evolve(states.get(stream_id), event)
        versions[stream_id] = recorded.version
        count += 1
    for table in _STATES:
        conn.execute(delete(table).where(table.c.org_id == org_id))
    for stream_id, aggregate in aggregates.items():
        store, state = aggregate.store, states[stream_id]
        if aggregate is ORGANIZATION:
            store.upsert(conn, org_id, stream_id, state, versions[stream_id])
        else:
            store.persist(conn, org_id, stream_id, state, versions[stream_id], None)
    return count
