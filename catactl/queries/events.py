"""Events as they are stored."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection

from catactl.errors import NotFound
from catactl.store import event_log
from catactl.store.event_log import StoredEvent


def get_event(conn: Connection, org_id: UUID, position: int) -> StoredEvent:
    """Return the event at a position of a log; raise `NotFound`."""
    event = next(event_log.read_after(conn, org_id, position - 1), None)
    if event is None or event.position != position:
        raise NotFound(f"no event at position {position}", "see: catactl event list ORG")
    return event


def events_of_command(conn: Connection, org_id: UUID, position: int) -> Iterator[StoredEvent]:
    """Yield the event at a position and all other events of the same command. They have one
    correlation id, and are consecutive because they were written under one lock.
    """
    correlation_id = get_event(conn, org_id, position).correlation_id
    first = position
    while first > 1 and get_event(conn, org_id, first - 1).correlation_id == correlation_id:
        first -= 1
    for event in event_log.read_after(conn, org_id, first - 1):
        if event.correlation_id != correlation_id:
            return
        yield event
