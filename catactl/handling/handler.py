"""The synchronous command handler: one command, one transaction, one organization; a batch has
several of the first and the last.

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
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from catactl.domain.decider import Command, CommandEnvelope
from catactl.errors import Busy, ConnectionLost, Forbidden, OutcomeUnknown, Unreachable
from catactl.handling.state_cache import StateCaches
from catactl.handling.transaction import ForgottenStates, Transaction
from catactl.handling.unit_of_work import Intent as Intent
from catactl.handling.unit_of_work import Outcome as Outcome
from catactl.handling.unit_of_work import UnitOfWork
from catactl.store import idempotency
from catactl.store.event_log import StoredEvent
from catactl.store.idempotency import Result
from catactl.store.sql.engine import lock_timeout_seconds, make_room, writing
from catactl.values.names import check_text

Told = Callable[[Sequence[StoredEvent] | None, Intent], None]

_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.02
MAX_TEXT_BYTES = 4_096
MAX_KEY_BYTES = 256

T = TypeVar("T")


def utc_now() -> datetime:
    return datetime.now(UTC)


class Handler:
    """Runs commands against a database. Keeps states in memory between commands of one process;
    what others added in the meantime is folded in under the lock, so that is never stale.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime] | None = None,
        told: Told | None = None,
    ) -> None:
        """Without a clock, PostgreSQL's server dates events; on SQLite this machine's clock does.

        `told` is called after each successful transaction, with its events, or with None when an
        idempotency key was used before.
        """
        self.engine = engine
        self._clock = clock
        self._told = told
        self._memories = StateCaches()

    def handle(
        self,
        org_id: UUID,
        command: Command | Callable[[Connection], CommandEnvelope],
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
            target = (
                CommandEnvelope(org_id, command) if isinstance(command, Command) else command(conn)
            )
            return present(unit.run(target))

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
        self._memories.forget([org_id])

        def work(conn: Connection, unit: UnitOfWork) -> Result:
            command = inspect(conn)
            if command is not None:
                unit.run(CommandEnvelope(org_id, command))
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
        that, so it must keep nothing from one call to the next. Under an idempotency key that was
        seen it is not called: the stored result is returned.
        """
        check_text("idempotency key", intent.idempotency_key or "", MAX_KEY_BYTES)
        request = intent.keyed_request

        def keyed_work(transaction: Transaction) -> Result:
            unit = transaction.unit(org_id)
            if request is None:
                return work(transaction.conn, unit)
            answer = idempotency.find_answer(transaction.conn, org_id, request.key)
            if answer is not None:
                transaction.is_replay = True
                return answer.to(request)
            result = work(transaction.conn, unit)
            transaction.answer(org_id, request, result)
            return result

        return self.transact_across(intent, keyed_work)

    def transact_across(self, intent: Intent, work: Callable[[Transaction], T]) -> T:
        """Let `work` change any number of organizations, all of them or none; it locks them.

        The handler calls `work` again from the start when the database asks for that, after growing
        pauses with jitter, while time is left; waiting for a lock in vain uses up the time. It also
        calls `work` once more if the connection was lost and nothing was committed, and if SQLite's
        disk was full and releasing the reserve made room. Raises `OutcomeUnknown` if the connection
        was lost and the outcome cannot be found out.
        """
        check_text("actor", intent.actor, MAX_TEXT_BYTES)
        check_text("reason", intent.reason or "", MAX_TEXT_BYTES)
        deadline = time.monotonic() + lock_timeout_seconds(self.engine)
        pause_seconds = _FIRST_PAUSE_SECONDS
        has_lost_connection = False
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._attempt(intent, work)
            except ForgottenStates:
                continue
            except ConnectionLost:
                if has_lost_connection:
                    raise
                has_lost_connection = True
            except (Unreachable, Forbidden):
                if not make_room(self.engine):
                    raise
            except Busy:
                pause_seconds *= random.uniform(1.0, 3.0)
                if time.monotonic() + pause_seconds > deadline:
                    raise
                time.sleep(pause_seconds)
        return self._attempt(intent, work)

    def _attempt(self, intent: Intent, work: Callable[[Transaction], T]) -> T:
        transaction: Transaction | None = None
        try:
            with writing(self.engine) as conn:
                transaction = Transaction(
                    conn, intent, self._clock, self._memories, keeps_events=self._told is not None
                )
                result = work(transaction)
                transaction.flush(commits=not intent.dry_run)
                if not intent.dry_run:
                    conn.commit()
        except ConnectionLost:
            if transaction is None or not transaction.is_committing:
                raise
            if not self._was_committed(transaction):
                raise
        if not intent.dry_run:
            transaction.remember()
        if self._told is not None:
            self._told(None if transaction.is_replay else transaction.recorded, intent)
        return result

    def _was_committed(self, transaction: Transaction) -> bool:
        try:
            return transaction.was_committed(self.engine)
        except OutcomeUnknown as unknown:
            unknown.retryable = transaction.intent.idempotency_key is not None
            raise
