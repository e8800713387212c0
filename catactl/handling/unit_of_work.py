"""Everything one transaction changes: loaded, decided and evolved in memory, written once.

A state is the one that is remembered from before, or the stored one, evolved over every event past
its version. So a stored state that is missing, stale or half lost costs time, never truth.
"""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from catactl.domain.decider import Command, CommandEnvelope, Event, EventEnvelope
from catactl.domain.file import File
from catactl.domain.organization import CorrectClock, Organization, check_accepts
from catactl.errors import ClockBehindLog, NotFound, Refused, VersionConflict
from catactl.handling.name_reservations import NameReservations, table_of
from catactl.handling.state_cache import StateCache
from catactl.projections.projection import DecodedEvent
from catactl.store import canonical_json, clock, codec, event_log, hash_chain, name_lookup
from catactl.store.event_log import Head, StoredEvent
from catactl.store.idempotency import Request
from catactl.store.sql.commit_outcome import Evidence
from catactl.store.state_store import Stored
from catactl.values.ids import Id, new_ids, parse_id
from catactl.values.spelling import normalized, spellings
from catactl.wiring.flow import (
    FILE,
    ORGANIZATION,
    PROJECTIONS,
    Aggregate,
    aggregate_of,
    aggregate_of_event,
    reactions_to,
)


@dataclass(frozen=True)
class Intent:
    """Who wants a change, why, and how. `request` is the request under the idempotency key: the
    command with its parsed arguments, as JSON types.

    `org_ref` is the organization as the caller named it.
    """

    actor: str
    reason: str | None = None
    expected_version: int | None = None
    dry_run: bool = False
    idempotency_key: str | None = None
    org_ref: str = ""
    request: Mapping[str, Any] | None = None

    def asking(self) -> "Intent":
        """The same intent when it is only asked what would happen."""
        return replace(self, dry_run=True)

    def unkeyed(self) -> "Intent":
        """The same intent for a step on the way, which the idempotency key does not stand for."""
        return replace(self, idempotency_key=None)

    @property
    def keyed_request(self) -> Request | None:
        if self.idempotency_key is None:
            return None
        return Request(self.idempotency_key, normalized(self.org_ref), self.request)


class Outcome(NamedTuple):
    """What a command came to: the stream's state and version after it, and all events in order."""

    org_id: UUID
    stream_id: UUID
    state: Any
    version: int
    position: int
    events: tuple[StoredEvent, ...]
    dry_run: bool


@dataclass
class _Entry:
    """A stream in a unit of work: as stored before, and as it is now."""

    aggregate: Aggregate
    stored: Stored[Any] | None
    state: Any
    version: int
    trusted: bool = True

    @property
    def changed(self) -> bool:
        return self.stored is None or self.stored.version != self.version or not self.trusted

    @property
    def name(self) -> tuple[str, str] | None:
        """The live name it takes now, of its kind."""
        return _live_name(self.aggregate, self.state)

    @property
    def stored_name(self) -> tuple[str, str] | None:
        """The live name that its stored state holds."""
        return _live_name(self.aggregate, self.stored.state if self.stored is not None else None)


def _live_name(aggregate: Aggregate, state: Any) -> tuple[str, str] | None:
    name = state.live_name if state is not None else None
    return (aggregate.name, name) if name is not None else None


class UnitOfWork:
    """The changes of one transaction in one organization, in memory until `flush` writes each once.

    `evidence` tests whether the database holds a write without an event.
    """

    def __init__(
        self,
        conn: Connection,
        org_id: UUID,
        head: Head,
        intent: Intent,
        now: datetime,
        memory: StateCache,
    ) -> None:
        self.head = head
        self.now = now
        self.memory = memory
        self.evidence: Evidence | None = None
        self._before = head
        self._conn = conn
        self._org_id = Id.of(org_id)
        self._intent = intent
        self._ids = new_ids(now)
        self._entries: dict[UUID, _Entry] = {}
        self._happened: list[DecodedEvent] = []
        self._names = NameReservations(conn, self._org_id)
        self._entries_before: list[tuple[_Entry, Any, int]] = []
        self.corrects_clock = False

    @property
    def recorded(self) -> list[StoredEvent]:
        """The events so far, in order."""
        return [recorded for recorded, _ in self._happened]

    @property
    def has_events(self) -> bool:
        """Return whether there are events that are not written yet."""
        return bool(self._happened)

    def organization(self) -> Organization | None:
        state: Organization | None = self._load(ORGANIZATION, self._org_id).state
        return state

    def file(self, file_id: UUID) -> File | None:
        state: File | None = self._load(FILE, file_id).state
        return state

    def get(self, aggregate: Aggregate, stream_id: UUID) -> Stored[Any]:
        """Return the state and version of a stream as they are now, written or not."""
        entry = self._load(aggregate, stream_id)
        return Stored(entry.state, entry.version)

    def new_id(self) -> UUID:
        """Return an id for what is created now."""
        return next(self._ids)

    def run(self, target: CommandEnvelope, intent: Intent | None = None) -> Outcome:
        """Handle a command and everything that the sagas answer to it, all of it or nothing: after
        a refusal the unit is as it was, and can go on.
        """
        self.check_clock(target.command)
        head, happened = self.head, len(self._happened)
        self._entries_before.clear()
        self._names.begin()
        try:
            return self._run(target, intent if intent is not None else self._intent)
        except BaseException:
            self.head = head
            del self._happened[happened:]
            for entry, state, version in reversed(self._entries_before):
                entry.state, entry.version = state, version
            self._names.undo()
            raise

    def check_clock(self, command: Command) -> None:
        """Raise `ClockBehindLog` if the log is ahead of the clock, unless the command corrects
        that.
        """
        last = self.head.recorded_at
        if last is None or last <= self.now:
            return
        if isinstance(command, CorrectClock):
            self.corrects_clock = True
            return
        state = self.organization()
        name = state.name if state is not None else str(self._org_id)
        ahead = clock.ahead_in_words(self._conn, name, clock.ahead_seconds(last, self.now))
        dated = canonical_json.format_instant(last)
        raise ClockBehindLog(f"{ahead}: its last event is dated {dated}", clock.hint(name))

    def _run(self, target: CommandEnvelope, intent: Intent) -> Outcome:
        entry = self._load(aggregate_of(target.command), target.stream_id)
        expected_version = intent.expected_version
        if expected_version is not None and entry.version != expected_version:
            raise VersionConflict(
                f"the {entry.aggregate.name} is at version {entry.version}, not {expected_version}",
                "look at it again and decide anew",
            )
        events: list[StoredEvent] = []
        correlation_id = next(self._ids)
        queue: deque[tuple[CommandEnvelope, UUID, UUID | None]] = deque(
            [(target, correlation_id, None)]
        )
        while queue:
            (stream_id, command), command_id, causation_id = queue.popleft()
            deciding = self._load(aggregate_of(command), stream_id)
            for event in self._decide(deciding, stream_id, command):
                deciding.version += 1
                recorded = self._record(
                    stream_id,
                    deciding.version,
                    event,
                    intent,
                    command_id,
                    correlation_id,
                    causation_id,
                )
                events.append(recorded)
                for reaction in reactions_to(EventEnvelope(self._org_id, stream_id, event)):
                    queue.append((reaction, next(self._ids), recorded.event_id))
        return Outcome(
            org_id=self._org_id,
            stream_id=target.stream_id,
            state=entry.state,
            version=entry.version,
            position=self.head.position,
            events=tuple(events),
            dry_run=intent.dry_run,
        )

    def flush(self) -> None:
        """Write events, states and views, each once; what follows starts from there."""
        conn, org_id = self._conn, self._org_id
        if self._happened:
            event_log.append(conn, org_id, self._before, self.recorded)
        for stream_id, entry in self._in_order_of_names():
            store = entry.aggregate.store
            if entry.trusted:
                store.persist(conn, org_id, stream_id, entry.state, entry.version, entry.stored)
            else:
                store.upsert(conn, org_id, stream_id, entry.state, entry.version)
        for view in PROJECTIONS:
            heard = [each for each in self._happened if isinstance(each.event, view.LISTENS)]
            if heard:
                view.apply(conn, org_id, heard)
        written = (
            (stream_id, (entry.aggregate, Stored(entry.state, entry.version)))
            for stream_id, entry in self._entries.items()
        )
        self.memory = self.memory.after(written, self.head.position)
        self._before = self.head
        self._happened = []
        self._entries = {}
        self._names.forget()
        self.corrects_clock = False

    def _in_order_of_names(self) -> list[tuple[UUID, _Entry]]:
        """The entries to write, in an order in which each live name is free when it is taken.

        `Refused` when names go round in a circle, which no order of writing can follow.
        """
        left = {
            stream_id: entry
            for stream_id, entry in self._entries.items()
            if entry.state is not None and entry.changed
        }
        if len(self._names) < 2:
            return list(left.items())
        ordered: list[tuple[UUID, _Entry]] = []
        while left:
            held = {entry.stored_name: stream_id for stream_id, entry in left.items()}
            free = [
                stream_id
                for stream_id, entry in left.items()
                if entry.name is None or held.get(entry.name, stream_id) == stream_id
            ]
            if not free:
                raise Refused("names cannot be exchanged at once", "use another name in between")
            ordered += [(stream_id, left.pop(stream_id)) for stream_id in free]
        return ordered

    def _decide(self, entry: _Entry, stream_id: UUID, command: Command) -> list[Event]:
        """Return the events of a command, with the stream's state already evolved over them."""
        aggregate = entry.aggregate
        if aggregate is not ORGANIZATION:
            check_accepts(self.organization(), command)
        before = entry.state
        self._entries_before.append((entry, before, entry.version))
        events: list[Event] = aggregate.decider.decide(before, command)
        for event in events:
            entry.state = aggregate.decider.evolve(entry.state, event)
        name_before = before.live_name if before is not None else None
        name = entry.state.live_name if events else name_before
        if name != name_before:
            self._names.take(aggregate, stream_id, name_before, name)
        return events

    def _record(
        self,
        stream_id: UUID,
        version: int,
        event: Event,
        intent: Intent,
        command_id: UUID,
        correlation_id: UUID,
        causation_id: UUID | None,
    ) -> StoredEvent:
        name = codec.EVENT_NAMES[type(event)]
        recorded = hash_chain.with_hash(
            self.head,
            StoredEvent(
                org_id=self._org_id,
                position=self.head.position + 1,
                stream_id=stream_id,
                version=version,
                type=name,
                schema_version=codec.schema_version(name),
                payload=codec.encode(event),
                event_id=next(self._ids),
                actor=intent.actor,
                reason=intent.reason,
                command_id=command_id,
                correlation_id=correlation_id,
                causation_id=causation_id,
                recorded_at=self.now,
                hash=b"",
            ),
        )
        self.head = Head(recorded.position, recorded.recorded_at, recorded.hash)
        self._happened.append(DecodedEvent(recorded, event))
        return recorded

    def _load(self, aggregate: Aggregate, stream_id: UUID) -> _Entry:
        entry = self._entries.get(stream_id)
        if entry is None:
            known = self.memory.states.get(stream_id)
            if known is not None:
                entry = _Entry(known[0], known[1], known[1].state, known[1].version)
            else:
                entry = self._load_stored(aggregate, stream_id)
            self._entries[stream_id] = entry
        if entry.aggregate is not aggregate:
            raise _no_such(aggregate, stream_id)
        return entry

    def _load_stored(self, aggregate: Aggregate, stream_id: UUID) -> _Entry:
        """Fold the events past the stored state. One that is missing or ahead is built anew."""
        stored = aggregate.store.get_by_id(self._conn, self._org_id, stream_id)
        from_version = stored.version if stored is not None else 1
        from_version = max(from_version, 1)
        later = list(event_log.read_stream(self._conn, self._org_id, stream_id, from_version))
        if stored is not None and later and later[0].version == stored.version:
            state, version, trusted, later = stored.state, stored.version, True, later[1:]
        else:
            if stored is not None:
                later = list(event_log.read_stream(self._conn, self._org_id, stream_id))
            state, version, trusted = None, 0, stored is None and not later
        for recorded in later:
            event = recorded.event
            if aggregate_of_event(event) is not aggregate:
                raise _no_such(aggregate, stream_id)
            state = aggregate.decider.evolve(state, event)
            version = recorded.version
        return _Entry(aggregate, stored if trusted else None, state, version, trusted)

    def find_live(self, aggregate: Aggregate, name: str) -> UUID | None:
        """Return what is live under a name, as it is now: what this transaction did counts."""
        return self._names.find(aggregate, name)

    def look_up(self, aggregate: Aggregate, names: Collection[str]) -> None:
        """Ask once for what is live under any of the names, of files or jobs."""
        self._names.look_up(aggregate, names)

    def resolve(self, aggregate: Aggregate, reference: str) -> UUID:
        """Return the id of a file or job by id or name: the live one's, else the one deleted last;
        or `NotFound`.
        """
        found = self._names.known(aggregate, reference) or parse_id(reference)
        if found is None:
            found = self.find_live(aggregate, reference) or self._find_deleted(aggregate, reference)
        if found is None:
            what = "file" if aggregate is FILE else "job"
            raise NotFound(f"no {what} {reference!r}", f"see: catactl {what} list ORG")
        return found

    def _find_deleted(self, aggregate: Aggregate, name: str) -> UUID | None:
        """Return the youngest of that name, of what is stored and of what is not written yet."""
        forms = spellings(name)
        found = {
            stream_id: entry.state.created_at
            for stream_id, entry in self._entries.items()
            if entry.aggregate is aggregate and entry.state and entry.state.name in forms
        }
        stored = name_lookup.find(self._conn, table_of(aggregate), self._org_id, name)
        if stored is not None and stored not in self._entries:
            state = self.get(aggregate, stored).state
            if state is not None:  # None for a stored row without events
                found[stored] = state.created_at
        return max(found, key=lambda stream_id: (found[stream_id], stream_id), default=None)

    def expect_new(self, aggregate: Aggregate, stream_id: UUID) -> None:
        """Do without loading a stream whose id was just made."""
        self._entries[stream_id] = _Entry(aggregate, None, None, 0)


def _no_such(aggregate: Aggregate, stream_id: UUID) -> NotFound:
    return NotFound(f"no {aggregate.name.replace('_', ' ')} has the id {stream_id}")
