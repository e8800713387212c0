"""The synchronous command handler: one command, one transaction, one organization.

    lock      the organization's log, first and alone
    replay    an idempotency key that was seen gives its stored result
    load      a state is the stored one, evolved over every event past its version
    decide    pure; a refusal raises, an empty list means that nothing needs to change
    evolve    pure
    react     sagas answer events with commands, which join the same queue
    flush     events, states, views and the log's head, each written once
    commit

Whatever is raised on the way leaves nothing behind.
"""

import hashlib
import json
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, insert, select

from catactl.domain.decider import Addressed, Command, Event, Occurred
from catactl.domain.names import check_text
from catactl.domain.organization import Organization, admits
from catactl.errors import AlreadyExists, Busy, IdempotencyConflict, NotFound, VersionConflict
from catactl.ids import new_id
from catactl.projections.view import Happened
from catactl.store import codec, directory, event_log
from catactl.store.engine import lock_timeout_seconds, writing
from catactl.store.event_log import Head, Later, Recorded
from catactl.store.state_store import Stored
from catactl.store.tables import files, idempotency_keys, job_configurations
from catactl.store.wire import pipelined, write
from catactl.wiring import (
    FILE,
    ORGANIZATION,
    VIEWS,
    Aggregate,
    aggregate_of,
    aggregate_of_event,
    reactions_to,
)

Result = dict[str, Any]

_REMEMBER_RESULT = insert(idempotency_keys)

_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.02
_MAX_TEXT_BYTES = 4_096
_MAX_KEY_BYTES = 256
_REMEMBERED_ORGANIZATIONS = 16
_REMEMBERED_STREAMS = 64


@dataclass(frozen=True)
class Intent:
    """Who wants it, why, and how. `request` is what the idempotency key stands for, in JSON terms.

    `org_ref` is the organization as the caller named it.
    """

    actor: str
    reason: str | None = None
    expected_version: int | None = None
    dry_run: bool = False
    idempotency_key: str | None = None
    org_ref: str = ""
    request: object = None


@dataclass(frozen=True)
class Outcome:
    """What a command came to: the stream's state and version after it, and all events in order."""

    org_id: UUID
    stream_id: UUID
    state: Any
    version: int
    position: int
    events: tuple[Recorded, ...]
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


@dataclass
class _Memory:
    """States of an organization's streams as they were committed at a position of its log."""

    position: int
    states: OrderedDict[UUID, tuple[Aggregate, Stored[Any]]] = field(default_factory=OrderedDict)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Handler:
    """Runs commands against a database. Keeps states in memory between commands of one process;
    what others added in the meantime is folded in under the lock, so that is never stale.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._clock = clock
        self._memories: OrderedDict[UUID, _Memory] = OrderedDict()

    def handle(
        self,
        org_id: UUID,
        command: Command | Callable[[Connection], Addressed],
        intent: Intent,
        present: Callable[[Outcome], Result],
    ) -> Result:
        """Run one command and return what `present` makes of its outcome.

        A bare command goes to the organization itself. A callable is asked under the lock for the
        command and its stream, so that names are looked up where nobody can change them. Raises
        what the domain refuses with, `Conflict`s, and `Busy` once the bounded retries are used up;
        in every such case nothing was written.
        """

        def work(conn: Connection, head: Head, unit: "UnitOfWork") -> Result:
            target = Addressed(org_id, command) if isinstance(command, Command) else command(conn)
            return present(unit.run(target))

        return self._transact(org_id, intent, work)

    def change_rows(
        self,
        org_id: UUID,
        intent: Intent,
        change: Callable[[Connection], Result],
    ) -> Result:
        """Change plain rows of an organization, users, under the same lock, keys and retries."""

        def work(conn: Connection, head: Head, unit: "UnitOfWork") -> Result:
            admits(unit.organization(), Command())
            result = change(conn) | {"position": head.position, "events": []}
            return result | {"dry_run": True} if intent.dry_run else result

        return self._transact(org_id, intent, work)

    def inspect_and_handle(
        self,
        org_id: UUID,
        intent: Intent,
        inspect: Callable[[Connection], Command | None],
    ) -> None:
        """Let `inspect` look at, and rebuild, stored rows under the lock; run the command it
        returns.

        With a dry run everything is rolled back, what was rebuilt as well.
        """
        self._memories.pop(org_id, None)

        def work(conn: Connection, head: Head, unit: "UnitOfWork") -> Result:
            command = inspect(conn)
            if command is not None:
                unit.run(Addressed(org_id, command))
            return {}

        self._transact(org_id, intent, work)

    def _transact(
        self,
        org_id: UUID,
        intent: Intent,
        work: Callable[[Connection, Head, "UnitOfWork"], Result],
    ) -> Result:
        """Try again, after a growing pause with jitter, while the database says so and time is
        left.

        A lock that could not be had has used up the time by itself, and with it the retries.
        """
        check_text("actor", intent.actor, _MAX_TEXT_BYTES)
        check_text("reason", intent.reason or "", _MAX_TEXT_BYTES)
        check_text("idempotency key", intent.idempotency_key or "", _MAX_KEY_BYTES)
        deadline = time.monotonic() + lock_timeout_seconds(self._engine)
        pause_seconds = _FIRST_PAUSE_SECONDS
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._attempt(org_id, intent, work)
            except _ForgottenStates:
                continue
            except Busy:
                pause_seconds *= random.uniform(1.0, 3.0)
                if time.monotonic() + pause_seconds > deadline:
                    raise
                time.sleep(pause_seconds)
        return self._attempt(org_id, intent, work)

    def _attempt(
        self,
        org_id: UUID,
        intent: Intent,
        work: Callable[[Connection, Head, "UnitOfWork"], Result],
    ) -> Result:
        with writing(self._engine) as conn:
            memory = self._memories.get(org_id)
            head, later = event_log.lock(conn, org_id, memory.position if memory else None)
            memory = self._refresh(org_id, memory, head, later)
            if intent.idempotency_key is not None:
                replayed = _replay(conn, org_id, intent)
                if replayed is not None:
                    return replayed
            now = event_log.next_instant(head, self._clock())
            unit = UnitOfWork(conn, org_id, head, intent, now, memory)
            result = work(conn, head, unit)
            try:
                with pipelined(conn, commits=not intent.dry_run):
                    unit.flush()
                    if intent.idempotency_key is not None:
                        _remember_result(conn, org_id, intent, result, now)
            except VersionConflict:
                if not memory.states:
                    raise
                del self._memories[org_id]
                raise _ForgottenStates from None
            if intent.dry_run:
                return result
            conn.commit()
            self._remember(org_id, memory, unit)
            return result

    def _refresh(
        self, org_id: UUID, memory: _Memory | None, head: Head, later: list[Later]
    ) -> _Memory:
        """Fold what others committed since into the remembered states; or start with none."""
        if memory is None or memory.position > head.position or len(later) >= event_log.MANY_EVENTS:
            self._memories[org_id] = memory = _Memory(head.position)
        for each in later:
            known = memory.states.get(each.stream_id)
            if known is not None:
                aggregate, stored = known
                state = aggregate.decider.evolve(stored.state, each.event)
                memory.states[each.stream_id] = aggregate, Stored(state, each.version)
        memory.position = head.position
        self._memories.move_to_end(org_id)
        if len(self._memories) > _REMEMBERED_ORGANIZATIONS:
            self._memories.popitem(last=False)
        return memory

    def _remember(self, org_id: UUID, memory: _Memory, unit: "UnitOfWork") -> None:
        memory.position = unit.head.position
        for stream_id, entry in unit.entries.items():
            memory.states[stream_id] = entry.aggregate, Stored(entry.state, entry.version)
            memory.states.move_to_end(stream_id)
        while len(memory.states) > _REMEMBERED_STREAMS:
            memory.states.popitem(last=False)


def _no_such(aggregate: Aggregate, stream_id: UUID) -> NotFound:
    return NotFound(f"no {aggregate.name.replace('_', ' ')} has the id {stream_id}")


def _fingerprint(request: object) -> str:
    return hashlib.sha256(codec.canonical(request).encode()).hexdigest()


def _replay(conn: Connection, org_id: UUID, intent: Intent) -> Result | None:
    """Return the stored result of the same request; raise if the key stands for another one."""
    row = conn.execute(
        select(idempotency_keys.c.fingerprint, idempotency_keys.c.result).where(
            idempotency_keys.c.org_id == org_id, idempotency_keys.c.key == intent.idempotency_key
        )
    ).one_or_none()
    if row is None:
        return None
    if row.fingerprint != _fingerprint(intent.request):
        raise IdempotencyConflict(
            f"idempotency key {intent.idempotency_key!r} was used for another request",
            "use a new key for a new request",
        )
    result: Result = codec.load_document(row.result)
    return result


def _remember_result(
    conn: Connection, org_id: UUID, intent: Intent, result: Result, now: datetime
) -> None:
    write(
        conn,
        _REMEMBER_RESULT,
        {
            "org_id": org_id,
            "key": intent.idempotency_key,
            "org_ref": intent.org_ref,
            "fingerprint": _fingerprint(intent.request),
            "result": json.dumps(result, ensure_ascii=False),  # as it is: fields keep their order
            "recorded_at": now,
        },
    )


class _ForgottenStates(Exception):
    """Remembered states did not match the stored ones; the next attempt loads them."""


class UnitOfWork:
    """Everything one transaction changes, in memory until `flush` writes each thing once."""

    def __init__(
        self,
        conn: Connection,
        org_id: UUID,
        head: Head,
        intent: Intent,
        now: datetime,
        memory: _Memory,
    ) -> None:
        self.head = head
        self.entries: dict[UUID, _Entry] = {}
        self._before = head
        self._conn = conn
        self._org_id = org_id
        self._intent = intent
        self._now = now
        self._memory = memory
        self._happened: list[Happened] = []

    def organization(self) -> Organization | None:
        state: Organization | None = self._load(ORGANIZATION, self._org_id).state
        return state

    def run(self, target: Addressed) -> Outcome:
        """Handle a command and everything that the sagas answer to it."""
        entry = self._load(aggregate_of(target.command), target.stream_id)
        expected_version = self._intent.expected_version
        if expected_version is not None and entry.version != expected_version:
            raise VersionConflict(
                f"the {entry.aggregate.name} is at version {entry.version}, not {expected_version}",
                "look at it again and decide anew",
            )
        first = len(self._happened)
        correlation_id = new_id(self._now)
        queue: deque[tuple[Addressed, UUID, UUID | None]] = deque([(target, correlation_id, None)])
        while queue:
            addressed, command_id, causation_id = queue.popleft()
            for event in self._decide(addressed):
                recorded = self._record(
                    addressed.stream_id, event, command_id, correlation_id, causation_id
                )
                for reaction in reactions_to(Occurred(self._org_id, addressed.stream_id, event)):
                    queue.append((reaction, new_id(self._now), recorded.event_id))
        return Outcome(
            org_id=self._org_id,
            stream_id=target.stream_id,
            state=entry.state,
            version=entry.version,
            position=self.head.position,
            events=tuple(recorded for recorded, _ in self._happened[first:]),
            dry_run=self._intent.dry_run,
        )

    def flush(self) -> None:
        """Write events, states and views, each once."""
        conn, org_id = self._conn, self._org_id
        if self._happened:
            appended = [recorded for recorded, _ in self._happened]
            event_log.append(conn, org_id, self._before, appended)
        for stream_id, entry in self.entries.items():
            if entry.state is None or not entry.changed:
                continue
            store = entry.aggregate.store
            if entry.trusted:
                store.persist(conn, org_id, stream_id, entry.state, entry.version, entry.stored)
            else:
                store.upsert(conn, org_id, stream_id, entry.state, entry.version)
        for view in VIEWS:
            heard = [each for each in self._happened if isinstance(each.event, view.LISTENS)]
            if heard:
                view.apply(conn, org_id, heard)

    def _decide(self, addressed: Addressed) -> list[Event]:
        """Return the events of a command, with the stream's state already evolved over them."""
        command = addressed.command
        aggregate = aggregate_of(command)
        if aggregate is not ORGANIZATION:
            admits(self.organization(), command)
        entry = self._load(aggregate, addressed.stream_id)
        before = entry.state
        events: list[Event] = aggregate.decider.decide(before, command)
        for event in events:
            entry.state = aggregate.decider.evolve(entry.state, event)
        name_before = before.live_name if before is not None else None
        name = entry.state.live_name if events else name_before
        if name not in {None, name_before}:
            self._check_name_free(aggregate, addressed.stream_id, name)
        return events

    def _record(
        self,
        stream_id: UUID,
        event: Event,
        command_id: UUID,
        correlation_id: UUID,
        causation_id: UUID | None,
    ) -> Recorded:
        entry = self.entries[stream_id]
        entry.version += 1
        name = codec.EVENT_NAMES[type(event)]
        recorded = event_log.seal(
            self.head,
            Recorded(
                org_id=self._org_id,
                position=self.head.position + 1,
                stream_id=stream_id,
                version=entry.version,
                type=name,
                schema_version=codec.schema_version(name),
                payload=codec.encode(event),
                event_id=new_id(self._now),
                actor=self._intent.actor,
                reason=self._intent.reason,
                command_id=command_id,
                correlation_id=correlation_id,
                causation_id=causation_id,
                recorded_at=self._now,
                hash=b"",
            ),
        )
        self.head = Head(recorded.position, recorded.recorded_at, recorded.hash)
        self._happened.append(Happened(recorded, event))
        return recorded

    def _load(self, aggregate: Aggregate, stream_id: UUID) -> _Entry:
        entry = self.entries.get(stream_id)
        if entry is None:
            known = self._memory.states.get(stream_id)
            if known is not None:
                entry = _Entry(known[0], known[1], known[1].state, known[1].version)
            else:
                entry = self._load_stored(aggregate, stream_id)
            self.entries[stream_id] = entry
        if entry.aggregate is not aggregate:
            raise _no_such(aggregate, stream_id)
        return entry

    def _load_stored(self, aggregate: Aggregate, stream_id: UUID) -> _Entry:
        """Fold the events past the stored state. One that is missing or ahead is built anew."""
        stored = aggregate.store.get_by_id(self._conn, self._org_id, stream_id)
        from_version = stored.version if stored is not None else 1
        later = list(
            event_log.read_stream(self._conn, self._org_id, stream_id, max(from_version, 1))
        )
        if stored is not None and later and later[0].version == stored.version:
            state, version, trusted, later = stored.state, stored.version, True, later[1:]
        else:
            later = list(event_log.read_stream(self._conn, self._org_id, stream_id))
            state, version, trusted = None, 0, stored is None and not later
        for recorded in later:
            event = recorded.event
            if aggregate_of_event(event) is not aggregate:
                raise _no_such(aggregate, stream_id)
            state = aggregate.decider.evolve(state, event)
            version = recorded.version
        return _Entry(aggregate, stored if trusted else None, state, version, trusted)

    def _check_name_free(self, aggregate: Aggregate, stream_id: UUID, name: str) -> None:
        """Names are unique among what is live; organizations' in all, others in their
        organization.
        """
        if aggregate is ORGANIZATION:
            holder = directory.find_organization(self._conn, name)
        else:
            table = files if aggregate is FILE else job_configurations
            holder = directory.find_live(self._conn, table, self._org_id, name)
        if holder is not None and holder != stream_id:
            what = aggregate.name.replace("_", " ")
            raise AlreadyExists(f"{what} {name!r} exists already", f"its id is {holder}")
