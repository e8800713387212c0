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

import random
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from catactl.domain.decider import Addressed, Command
from catactl.domain.names import check_text
from catactl.domain.organization import admits
from catactl.errors import Busy, VersionConflict
from catactl.store import event_log, idempotency
from catactl.store.engine import lock_timeout_seconds, writing
from catactl.store.event_log import Head, Later
from catactl.store.idempotency import Result
from catactl.store.state_store import Stored
from catactl.store.wire import pipelined
from catactl.unit_of_work import Intent as Intent
from catactl.unit_of_work import Memory, UnitOfWork
from catactl.unit_of_work import Outcome as Outcome

_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.02
_MAX_TEXT_BYTES = 4_096
_MAX_KEY_BYTES = 256
_REMEMBERED_ORGANIZATIONS = 16
_REMEMBERED_STREAMS = 64


def utc_now() -> datetime:
    return datetime.now(UTC)


class Handler:
    """Runs commands against a database. Keeps states in memory between commands of one process;
    what others added in the meantime is folded in under the lock, so that is never stale.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._clock = clock
        self._memories: OrderedDict[UUID, Memory] = OrderedDict()

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

        def work(conn: Connection, unit: UnitOfWork) -> Result:
            target = Addressed(org_id, command) if isinstance(command, Command) else command(conn)
            return present(unit.run(target))

        return self.transact(org_id, intent, work)

    def change_rows(
        self,
        org_id: UUID,
        intent: Intent,
        change: Callable[[Connection], Result],
    ) -> Result:
        """Change plain rows of an organization, users, under the same lock, keys and retries."""

        def work(conn: Connection, unit: UnitOfWork) -> Result:
            admits(unit.organization(), Command())
            result = change(conn) | {"position": unit.head.position, "events": []}
            return result | {"dry_run": True} if intent.dry_run else result

        return self.transact(org_id, intent, work)

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

        def work(conn: Connection, unit: UnitOfWork) -> Result:
            command = inspect(conn)
            if command is not None:
                unit.run(Addressed(org_id, command))
            return {}

        self.transact(org_id, intent, work)

    def transact(
        self,
        org_id: UUID,
        intent: Intent,
        work: Callable[[Connection, UnitOfWork], Result],
    ) -> Result:
        """Let `work` run any number of commands of one organization, all of them or none.

        It is called under the lock, and called again from the start when the database asks for
        that, so it must keep nothing from one call to the next. There are pauses that grow, with
        jitter, while time is left; a lock that could not be had has used it up by itself.
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
        work: Callable[[Connection, UnitOfWork], Result],
    ) -> Result:
        with writing(self._engine) as conn:
            memory = self._memories.get(org_id)
            head, later = event_log.lock(conn, org_id, memory.position if memory else None)
            memory = self._refresh(org_id, memory, head, later)
            request = intent.keyed_request
            if request is not None:
                replayed = idempotency.replay(conn, org_id, request)
                if replayed is not None:
                    return replayed
            now = event_log.next_instant(head, self._clock())
            unit = UnitOfWork(conn, org_id, head, intent, now, memory)
            result = work(conn, unit)
            try:
                with pipelined(conn, commits=not intent.dry_run):
                    unit.flush()
                    if request is not None:
                        idempotency.remember(conn, org_id, request, result, now)
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
        self, org_id: UUID, memory: Memory | None, head: Head, later: list[Later]
    ) -> Memory:
        """Fold what others committed since into the remembered states; or start with none."""
        if memory is None or memory.position > head.position or len(later) >= event_log.MANY_EVENTS:
            self._memories[org_id] = memory = Memory(head.position)
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

    def _remember(self, org_id: UUID, memory: Memory, unit: UnitOfWork) -> None:
        memory.position = unit.head.position
        for stream_id, entry in unit.entries.items():
            memory.states[stream_id] = entry.aggregate, Stored(entry.state, entry.version)
            memory.states.move_to_end(stream_id)
        while len(memory.states) > _REMEMBERED_STREAMS:
            memory.states.popitem(last=False)


class _ForgottenStates(Exception):
    """Remembered states did not match the stored ones; the next attempt loads them."""
