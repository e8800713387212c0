"""The state of a stream in a unit of work: as it is stored, and as it is after the commands so far.

A stored state is a cache of the events. The state here is the stored one, evolved over all later
events, so a missing or stale stored state costs time but causes no error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from catactl.errors import NotFound, Refused
from catactl.store import event_log
from catactl.store.state_store import Stored
from catactl.wiring.flow import Aggregate, aggregate_of_event

LiveName = tuple[str, str]


@dataclass
class StreamState:
    """A stream's state and version in a unit of work, and the state row that is stored.

    A row that is not `trusted` does not match the events, and is replaced in any case.
    """

    aggregate: Aggregate
    stored: Stored[Any] | None
    state: Any
    version: int
    trusted: bool = True

    @property
    def is_changed(self) -> bool:
        return self.stored is None or self.stored.version != self.version or not self.trusted

    @property
    def live_name(self) -> LiveName | None:
        """The present name of the stream, with its aggregate; None if the stream is deleted."""
        return _live_name(self.aggregate, self.state)

    @property
    def stored_live_name(self) -> LiveName | None:
        """The name in the stored row, with its aggregate."""
        return _live_name(self.aggregate, self.stored.state if self.stored is not None else None)


def load(conn: Connection, aggregate: Aggregate, org_id: UUID, stream_id: UUID) -> StreamState:
    """Return the stored state, evolved over the events after it. If the row is missing or ahead of
    the events, evolve from the first event.

    Raises `NotFound` if the stream belongs to another aggregate.
    """
    stored = aggregate.store.get_by_id(conn, org_id, stream_id)
    from_version = max(stored.version, 1) if stored is not None else 1
    later = list(event_log.read_stream(conn, org_id, stream_id, from_version))
    if stored is not None and later and later[0].version == stored.version:
        state, version, trusted, later = stored.state, stored.version, True, later[1:]
    else:
        if stored is not None:
            later = list(event_log.read_stream(conn, org_id, stream_id))
        state, version, trusted = None, 0, stored is None and not later
    for each in later:
        event = each.event
        if aggregate_of_event(event) is not aggregate:
            raise no_such_stream(aggregate, stream_id)
        state = aggregate.decider.evolve(state, event)
        version = each.version
    return StreamState(aggregate, stored if trusted else None, state, version, trusted)


def no_such_stream(aggregate: Aggregate, stream_id: UUID) -> NotFound:
    return NotFound(f"no {aggregate.name.replace('_', ' ')} has the id {stream_id}")


def changes_in_order(
    streams: Mapping[UUID, StreamState], *, with_names: bool
) -> list[tuple[UUID, StreamState]]:
    """Return the changed streams. With names, in an order in which each name is free when its new
    stream takes it, because names are unique in the tables.

    Raises `Refused` if streams exchange names in a circle, because no order exists then.
    """
    left = {
        stream_id: stream
        for stream_id, stream in streams.items()
        if stream.state is not None and stream.is_changed
    }
    if not with_names:
        return list(left.items())
    ordered: list[tuple[UUID, StreamState]] = []
    while left:
        holders = {stream.stored_live_name: stream_id for stream_id, stream in left.items()}
        free = [
            stream_id
            for stream_id, stream in left.items()
            if stream.live_name is None or holders.get(stream.live_name, stream_id) == stream_id
        ]
        if not free:
            raise Refused("names cannot be exchanged at once", "use another name in between")
        ordered += [(stream_id, left.pop(stream_id)) for stream_id in free]
    return ordered


def _live_name(aggregate: Aggregate, state: Any) -> LiveName | None:
    name = state.live_name if state is not None else None
    return (aggregate.name, name) if name is not None else None
