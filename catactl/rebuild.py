"""Rebuilding views from the events, an organization at a time under its lock: writers elsewhere go
on.
"""

from itertools import islice
from uuid import UUID

from sqlalchemy import Connection, delete

from catactl.projections.view import Happened, View
from catactl.store import codec, event_log

_EVENTS_AT_ONCE = 1_000


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
