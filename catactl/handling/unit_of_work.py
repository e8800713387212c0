"""The changes of one transaction in one organization, in memory until they are written once.

`run` handles a command: it loads the stream's state, lets the aggregate decide and evolve, and
queues the commands that sagas send in response. `flush` writes events, states and projections.
"""

from collections import deque
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from catactl.domain.decider import Command, CommandEnvelope, Event, EventEnvelope
from catactl.domain.file import File
from catactl.domain.organization import CorrectClock, Organization, check_accepts
from catactl.errors import ClockBehindLog, NotFound, VersionConflict
from catactl.handling.intent import Intent
from catactl.handling.name_reservations import NameReservations
from catactl.handling.state_cache import StateCache
from catactl.handling.stream_state import StreamState, changes_in_order, load, no_such_stream
from catactl.projections.projection import DecodedEvent
from catactl.store import canonical_json, clock, codec, event_log, hash_chain, name_lookup
from catactl.store.event_log import Head, StoredEvent
from catactl.store.sql.commit_outcome import Evidence
from catactl.store.state_store import Stored
from catactl.values.ids import CachedId, new_ids, parse_id
from catactl.values.spelling import spellings
from catactl.wiring.flow import (
    FILE,
    JOB_CONFIGURATION,
    ORGANIZATION,
    PROJECTIONS,
    Aggregate,
    aggregate_of,
    reactions_to,
)


class Outcome(NamedTuple):
    """The result of a command: the stream's state and version after it, and all events in order.

    The events include those of the commands that sagas sent.
    """

    org_id: UUID
    stream_id: UUID
    state: Any
    version: int
    position: int
    events: tuple[StoredEvent, ...]
    dry_run: bool


class UnitOfWork:
    """The changes of one transaction in one organization, in memory until `flush` writes them.

    `intent` is the intent of the next command. If `suggests_names` is set, the error for an unknown
    name suggests similar names. A batch does not set it, because this needs a query. `names` finds
    live streams after the commands so far. `evidence` tests whether the database holds a write that
    added no event.
    """

    def __init__(
        self,
        conn: Connection,
        org_id: UUID,
        head: Head,
        intent: Intent,
        now: datetime,
        cache: StateCache,
    ) -> None:
        self.head = head
        self.now = now
        self.cache = cache
        self.evidence: Evidence | None = None
        self.conn = conn
        self.org_id = CachedId.of(org_id)
        self._stored_head = head
        self.intent = intent
        self.suggests_names = False
        self._ids = new_ids(now)
        self._streams: dict[UUID, StreamState] = {}
        self._events: list[DecodedEvent] = []
        self.names = NameReservations(conn, self.org_id)
        self._undo: list[tuple[StreamState, Any, int]] = []
        self.corrects_clock = False

    @property
    def events(self) -> list[StoredEvent]:
        """The events that are not written yet, in order."""
        return [stored for stored, _ in self._events]

    def organization(self) -> Organization | None:
        state: Organization | None = self._load(ORGANIZATION, self.org_id).state
        return state

    def file(self, file_id: UUID) -> File | None:
        state: File | None = self._load(FILE, file_id).state
        return state

    def get(self, aggregate: Aggregate, stream_id: UUID) -> Stored[Any]:
        """Return the state and version of a stream after the commands so far."""
        stream = self._load(aggregate, stream_id)
        return Stored(stream.state, stream.version)

    def new_id(self) -> UUID:
        """Return a new id whose time is the time of this unit of work."""
        return next(self._ids)

    def run_stream(self, stream_id: UUID, command: Command) -> Outcome:
        """Handle a command of a stream; see `run`."""
        return self.run(CommandEnvelope(stream_id, command))

    def run_organization(self, command: Command) -> Outcome:
        """Handle a command of the organization itself; see `run`."""
        return self.run(CommandEnvelope(self.org_id, command))

    def run(self, target: CommandEnvelope) -> Outcome:
        """Handle a command, and the commands that sagas send in response: all of them or none.

        After an error the unit of work is unchanged, and can run other commands.
        """
        self.check_clock(target.command)
        head, event_count = self.head, len(self._events)
        self._undo.clear()
        self.names.begin()
        try:
            return self._handle(target)
        except BaseException:
            self.head = head
            del self._events[event_count:]
            for stream, state, version in reversed(self._undo):
                stream.state, stream.version = state, version
            self.names.undo()
            raise

    def check_clock(self, command: Command) -> None:
        """Raise `ClockBehindLog` if the log is ahead of the clock. Allow the command that corrects
        it.
        """
        last = self.head.recorded_at
        if last is None or last <= self.now:
            return
        if isinstance(command, CorrectClock):
            self.corrects_clock = True
            return
        state = self.organization()
        name = state.name if state is not None else str(self.org_id)
        ahead = clock.ahead_in_words(self.conn, name, clock.ahead_seconds(last, self.now))
        dated = canonical_json.format_instant(last)
        raise ClockBehindLog(f"{ahead}: its last event is dated {dated}", clock.hint(name))

    def _handle(self, target: CommandEnvelope) -> Outcome:
        stream = self._load(aggregate_of(target.command), target.stream_id)
        expected_version = self.intent.expected_version
        if expected_version is not None and stream.version != expected_version:
            name = stream.aggregate.name
            raise VersionConflict(
                f"the {name} is at version {stream.version}, not {expected_version}",
                "read it again, then decide whether to repeat the command",
            )
        events: list[StoredEvent] = []
        correlation_id = next(self._ids)
        queue: deque[tuple[CommandEnvelope, UUID, UUID | None]] = deque(
            [(target, correlation_id, None)]
        )
        while queue:
            (stream_id, command), command_id, causation_id = queue.popleft()
            target_stream = self._load(aggregate_of(command), stream_id)
            for event in self._decide(target_stream, stream_id, command):
                target_stream.version += 1
                stored = self._add(
                    stream_id,
                    target_stream.version,
                    event,
                    command_id,
                    correlation_id,
                    causation_id,
                )
                events.append(stored)
                for reaction in reactions_to(EventEnvelope(self.org_id, stream_id, event)):
                    queue.append((reaction, next(self._ids), stored.event_id))
        return Outcome(
            org_id=self.org_id,
            stream_id=target.stream_id,
            state=stream.state,
            version=stream.version,
            position=self.head.position,
            events=tuple(events),
            dry_run=self.intent.dry_run,
        )

    def flush(self) -> None:
        """Write events, states and projections, each once. Later commands continue from there."""
        conn, org_id = self.conn, self.org_id
        if self._events:
            event_log.append(conn, org_id, self._stored_head, self.events)
        for stream_id, stream in changes_in_order(self._streams, with_names=len(self.names) > 1):
            store = stream.aggregate.store
            if stream.trusted:
                store.persist(conn, org_id, stream_id, stream.state, stream.version, stream.stored)
            else:
                store.upsert(conn, org_id, stream_id, stream.state, stream.version)
        for projection in PROJECTIONS:
            events = [each for each in self._events if isinstance(each.event, projection.LISTENS)]
            if events:
                projection.apply(conn, org_id, events)
        written = (
            (stream_id, (stream.aggregate, Stored(stream.state, stream.version)))
            for stream_id, stream in self._streams.items()
        )
        self.cache = self.cache.after(written, self.head.position)
        self._stored_head = self.head
        self._events = []
        self._streams = {}
        self.names = NameReservations(conn, org_id)
        self.corrects_clock = False

    def _decide(self, stream: StreamState, stream_id: UUID, command: Command) -> list[Event]:
        """Return the events of a command, and evolve the stream's state over them."""
        aggregate, before = stream.aggregate, stream.state
        if aggregate is not ORGANIZATION:
            check_accepts(self.organization(), command)
        self._undo.append((stream, before, stream.version))
        events: list[Event] = aggregate.decider.decide(before, command)
        for event in events:
            stream.state = aggregate.decider.evolve(stream.state, event)
        name_before = before.live_name if before is not None else None
        name = stream.state.live_name if events else name_before
        if name != name_before:
            self.names.take(aggregate, stream_id, name_before, name)
        return events

    def _add(
        self,
        stream_id: UUID,
        version: int,
        event: Event,
        command_id: UUID,
        correlation_id: UUID,
        causation_id: UUID | None,
    ) -> StoredEvent:
        """Add an event to the log in memory, and return the event to store."""
        name = codec.EVENT_NAMES[type(event)]
        stored = hash_chain.with_hash(
            self.head,
            StoredEvent(
                org_id=self.org_id,
                position=self.head.position + 1,
                stream_id=stream_id,
                version=version,
                type=name,
                schema_version=codec.schema_version(name),
                payload=codec.encode(event),
                event_id=next(self._ids),
                actor=self.intent.actor,
                reason=self.intent.reason,
                command_id=command_id,
                correlation_id=correlation_id,
                causation_id=causation_id,
                recorded_at=self.now,
                hash=b"",
            ),
        )
        self.head = Head(stored.position, stored.recorded_at, stored.hash)
        self._events.append(DecodedEvent(stored, event))
        return stored

    def _load(self, aggregate: Aggregate, stream_id: UUID) -> StreamState:
        """Return the state of a stream: of this transaction, of the cache, or of the database."""
        stream = self._streams.get(stream_id)
        if stream is None:
            cached = self.cache.states.get(stream_id)
            if cached is not None:
                stream = StreamState(cached[0], cached[1], cached[1].state, cached[1].version)
            else:
                stream = load(self.conn, aggregate, self.org_id, stream_id)
            self._streams[stream_id] = stream
        if stream.aggregate is not aggregate:
            raise no_such_stream(aggregate, stream_id)
        return stream

    def file_id(self, reference: str) -> UUID:
        """Return the id of a file, given its id or name; see `resolve`."""
        return self.resolve(FILE, reference)

    def job_id(self, reference: str) -> UUID:
        """Return the id of a job configuration, given its id or name; see `resolve`."""
        return self.resolve(JOB_CONFIGURATION, reference)

    def resolve(self, aggregate: Aggregate, reference: str) -> UUID:
        """Return the id of a file or job, given its id or name. A name means the live one, or the
        last deleted one if none is live.

        Raises `NotFound`, with similar names if the unit of work `suggests_names`.
        """
        found = parse_id(reference) or self.names.find(aggregate, reference)
        found = found or self._find_deleted(aggregate, reference)
        if found is not None:
            return found
        if self.suggests_names:
            raise name_lookup.not_found(self.conn, aggregate.store.table, self.org_id, reference)
        noun = "file" if aggregate is FILE else "job"
        raise NotFound(f"no {noun} {reference!r}", f"see: catactl {noun} list ORG")

    def _find_deleted(self, aggregate: Aggregate, name: str) -> UUID | None:
        """Return the newest stream with a name, stored or not written yet."""
        forms = spellings(name)
        found = {
            stream_id: stream.state.created_at
            for stream_id, stream in self._streams.items()
            if stream.aggregate is aggregate and stream.state and stream.state.name in forms
        }
        stored = name_lookup.find(self.conn, aggregate.store.table, self.org_id, name)
        if stored is not None and stored not in self._streams:
            state = self.get(aggregate, stored).state
            if state is not None:  # None for a stored row without events
                found[stored] = state.created_at
        return max(found, key=lambda stream_id: (found[stream_id], stream_id), default=None)

    def expect_new(self, aggregate: Aggregate, stream_id: UUID) -> None:
        """Register a new stream. It is not loaded, because it has no events."""
        self._streams[stream_id] = StreamState(aggregate, None, None, 0)
