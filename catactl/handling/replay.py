"""Fold an organization's events into its states, and into the rows of each table that holds them.

Only events are read, so the rows can be compared with the stored rows, or replace them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Column, Connection, Table

from catactl.errors import CorruptLog
from catactl.projections.projection import DecodedEvent, Projection, Rows
from catactl.store import event_log
from catactl.store.effective_time import effective, limits_of
from catactl.store.event_log import StoredEvent
from catactl.store.sql.bulk import batched
from catactl.store.sql.guarded_statement import SqlRow
from catactl.store.state_store import in_order
from catactl.wiring.flow import AGGREGATES, ORGANIZATION, PROJECTIONS, Aggregate, aggregate_of_event

# The name of the states in `catactl projection rebuild`.
STATES = "states"
_EVENTS_AT_ONCE = 1_000


class Folded(NamedTuple):
    """A stream's state, and the version of its last event."""

    aggregate: Aggregate
    state: Any
    version: int


class Replay:
    """The states and projections of one organization, all in memory.

    `counts` has the number of events of each projection, and of the states.
    """

    def __init__(self, org_id: UUID) -> None:
        self.org_id = org_id
        self.states: dict[UUID, Folded] = {}
        self.counts = dict.fromkeys((*(projection.NAME for projection in PROJECTIONS), STATES), 0)
        self._projections: dict[str, Rows] = {projection.NAME: {} for projection in PROJECTIONS}

    @property
    def name(self) -> str | None:
        """Return the organization's name; None if it has no events."""
        folded = self.states.get(self.org_id)
        return folded.state.name if folded is not None else None

    def add(self, batch: Sequence[StoredEvent]) -> None:
        """Apply the next events to states and projections.

        Raise `CorruptLog`, with the position, for an event that cannot be read or is not allowed at
        its position.
        """
        by_projection: dict[str, list[DecodedEvent]] = {}
        for recorded in batch:
            event = recorded.event
            self._evolve(recorded, event)
            for projection in PROJECTIONS:
                if isinstance(event, projection.LISTENS):
                    by_projection.setdefault(projection.NAME, []).append(
                        DecodedEvent(recorded, event)
                    )
        self.counts[STATES] += len(batch)
        for projection in PROJECTIONS:
            if decoded := by_projection.get(projection.NAME):
                projection.fold(self._projections[projection.NAME], self.org_id, decoded)
                self.counts[projection.NAME] += len(decoded)

    def _evolve(self, recorded: StoredEvent, event: Any) -> None:
        stream_id = recorded.stream_id
        before = self.states.get(stream_id)
        aggregate = before.aggregate if before is not None else aggregate_of_event(event)
        try:
            if (aggregate is ORGANIZATION) != (stream_id == self.org_id):
                raise CorruptLog(f"event {type(event).__name__} in a stream of another kind")
            state = aggregate.decider.evolve(before.state if before is not None else None, event)
        except CorruptLog as error:
            raise CorruptLog(
                f"position {recorded.position}: {error.message}", "catactl event verify"
            ) from error
        self.states[stream_id] = Folded(aggregate, state, recorded.version)

    def rows(self, table: Table) -> Iterator[SqlRow]:
        """Yield all rows of a table, with values in the order of its columns."""
        for stream_id in self.streams(table):
            yield from self.rows_of(table, stream_id)

    def streams(self, table: Table) -> list[UUID]:
        """Return the ids of the streams whose states the table holds. For a projection return the
        organization's id, because its rows belong to no single stream.
        """
        aggregate = _AGGREGATE_OF.get(table)
        if aggregate is None:
            return [self.org_id]
        return [id_ for id_, folded in self.states.items() if folded.aggregate is aggregate]

    def rows_of(self, table: Table, stream_id: UUID) -> Iterator[SqlRow]:
        """Yield the rows of a table that belong to a stream."""
        aggregate = _AGGREGATE_OF.get(table)
        if aggregate is None:
            for row in self._projections[_PROJECTION_OF[table].NAME].values():
                yield in_order(table, row)
        else:
            _, state, version = self.states[stream_id]
            yield from aggregate.store.rows(table, self.org_id, stream_id, state, version)


def replay(conn: Connection, org_id: UUID) -> Replay:
    """Fold all events of an organization in the order of its log, each dated by the time from which
    it counts.
    """
    found = Replay(org_id)
    events = event_log.read_after(conn, org_id)
    if limits := limits_of(conn, org_id):
        events = (
            each._replace(recorded_at=effective(limits, each.position, each.recorded_at))
            for each in events
        )
    for batch in batched(events, _EVENTS_AT_ONCE):
        found.add(batch)
    return found


_AGGREGATE_OF: dict[Table, Aggregate] = {
    table: aggregate for aggregate in AGGREGATES for table in aggregate.store.tables
}
_PROJECTION_OF: dict[Table, Projection] = {
    projection.TABLE: projection for projection in PROJECTIONS
}
# Each table of rows that follow from events, with the name under which `rebuild` rebuilds it.
TABLES: dict[Table, str] = dict.fromkeys(_AGGREGATE_OF, STATES) | {
    table: projection.NAME for table, projection in _PROJECTION_OF.items()
}


def stream_column(table: Table) -> Column[UUID]:
    """Return the column that holds the id of the stream that a row belongs to."""
    aggregate = _AGGREGATE_OF.get(table)
    column: Column[UUID] = table.c.org_id if aggregate is None else aggregate.store.tables[table]
    return column
