"""Run commands in transactions, and run them again if the database requires it."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from catactl.domain.decider import Command, CommandEnvelope
from catactl.errors import (
    Busy,
    ConnectionLost,
    Forbidden,
    OutcomeUnknown,
    SchemaMismatch,
    Unreachable,
)
from catactl.handling.intent import Intent
from catactl.handling.state_cache import StateCaches
from catactl.handling.transaction import ForgottenStates, Transaction, find_organization
from catactl.handling.unit_of_work import UnitOfWork
from catactl.store import migrations
from catactl.store.event_log import StoredEvent
from catactl.store.idempotency import Result
from catactl.store.sql.engine import make_room, reading, writing
from catactl.store.sql.lock_timeout import lock_timeout_seconds
from catactl.values.names import check_text

CommitListener = Callable[[Sequence[StoredEvent] | None, Intent], None]

_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.02
MAX_TEXT_BYTES = 4_096
MAX_KEY_BYTES = 256

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=Mapping[str, object])


def utc_now() -> datetime:
    return datetime.now(UTC)


class Handler:
    """Runs commands against a database.

    It keeps states in memory from one command of a process to the next. Under the lock it evolves
    them over the events that others added meanwhile, so they are never stale.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime] | None = None,
        on_commit: CommitListener | None = None,
    ) -> None:
        """Without a `clock`, the server dates events on PostgreSQL, and this machine on SQLite.

        The handler calls `on_commit` after each successful transaction with its events, or with
        None if the stored result of an idempotency key was returned.
        """
        self.engine = engine
        self._clock = clock
        self._on_commit = on_commit
        self._caches = StateCaches()

    def inspect_and_handle(
        self, org_id: UUID, intent: Intent, inspect: Callable[[Connection], Command | None]
    ) -> None:
        """Let `inspect` read and rebuild stored rows under the lock; run the command it returns.

        A dry run rolls back the rebuilt rows as well.
        """
        self._caches.forget([org_id])

        def work(conn: Connection, unit: UnitOfWork) -> Result:
            command = inspect(conn)
            if command is not None:
                unit.run(CommandEnvelope(org_id, command))
            return {}

        self.transact(org_id, intent, work)

    def execute(
        self,
        operation: Callable[Concatenate[UnitOfWork, P], R],
        intent: Intent,
        org_id: UUID | None,
        /,
        *arguments: P.args,
        **given: P.kwargs,
    ) -> R:
        """Run an operation of one organization in a transaction, and return its result.

        Without an `org_id`, the intent names the organization. The handler calls the operation
        under the lock, and again from the start if the database requires that, so the operation
        must keep nothing from one call to the next. If the intent's idempotency key was used before
        for the same request, the handler returns the stored result and does not call the operation.
        """
        check_text("idempotency key", intent.idempotency_key or "", MAX_KEY_BYTES)
        try:
            return self.transact_across(
                intent,
                lambda transaction: transaction.run_once(org_id, operation, *arguments, **given),
            )
        except Busy:
            if org_id is None:
                with reading(self.engine) as conn:
                    find_organization(conn, intent)  # a wrong name is not worth another attempt
            raise

    def transact(
        self, org_id: UUID | None, intent: Intent, work: Callable[[Connection, UnitOfWork], R]
    ) -> R:
        """Run `work`, which runs any number of commands of one organization; see `execute`."""
        return self.execute(lambda unit: work(unit.conn, unit), intent, org_id)

    def transact_across(self, intent: Intent, work: Callable[[Transaction], T]) -> T:
        """Run `work`, which locks and changes any number of organizations: all of them or none.

        The handler calls `work` again from the start if the database requires that, after growing
        pauses with jitter, until the lock timeout is used up. It also calls `work` once more if the
        connection was lost and nothing was committed, if SQLite's disk was full and releasing the
        reserve made room, and after it created or migrated a SQLite database. Raises
        `SchemaMismatch` if the schema is not the one this version needs, and `OutcomeUnknown` if
        the connection was lost and the outcome cannot be found out.
        """
        check_text("actor", intent.actor, MAX_TEXT_BYTES)
        check_text("reason", intent.reason or "", MAX_TEXT_BYTES)
        migrations.create_if_missing(self.engine)
        deadline = time.monotonic() + lock_timeout_seconds(self.engine)
        pause_seconds = _FIRST_PAUSE_SECONDS
        has_lost_connection = False
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._attempt(intent, work)
            except ForgottenStates:
                continue
            except SchemaMismatch:
                if migrations.is_checked(self.engine):
                    raise
                migrations.ensure(self.engine)
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
                migrations.check_once(conn)
                transaction = Transaction(
                    conn,
                    intent,
                    self._clock,
                    self._caches,
                    keeps_events=self._on_commit is not None,
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
        if self._on_commit is not None:
            self._on_commit(None if transaction.is_replay else transaction.events, intent)
        return result

    def _was_committed(self, transaction: Transaction) -> bool:
        try:
            return transaction.was_committed(self.engine)
        except OutcomeUnknown as unknown:
            unknown.retryable = transaction.intent.idempotency_key is not None
            raise
