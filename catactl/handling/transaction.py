"""One transaction over any number of organizations: their locks, units of work, and keyed results.

Logs are locked in ascending order of their ids, so two transactions cannot wait for each other.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, Engine

from catactl.errors import VersionConflict
from catactl.handling.state_cache import StateCaches
from catactl.handling.unit_of_work import Intent, UnitOfWork
from catactl.store import event_log, idempotency
from catactl.store.event_log import StoredEvent
from catactl.store.idempotency import Answer, Request, Result
from catactl.store.sql.commit_outcome import Evidence, was_committed
from catactl.store.sql.statements import pipelined
from catactl.wiring.flow import DATED_PROJECTIONS


class Transaction:
    """A transaction in progress on one connection. Nothing is written before `flush`.

    `recorded` holds the events that were written, if they are kept: a batch has too many. `id` is
    PostgreSQL's id of the transaction after a log is locked. Without a clock, PostgreSQL's server
    dates events, so that no client's clock can; on SQLite this machine's clock does.
    """

    def __init__(
        self,
        conn: Connection,
        intent: Intent,
        clock: Callable[[], datetime] | None,
        memories: StateCaches,
        *,
        keeps_events: bool = False,
    ) -> None:
        self.conn = conn
        self.intent = intent
        self.recorded: list[StoredEvent] = []
        self.is_replay = False
        self.is_committing = False
        self.id: str | None = None
        self._keeps_events = keeps_events
        self._clock = clock
        self._memories = memories
        self._units: dict[UUID, UnitOfWork] = {}
        self._answered: list[tuple[UUID, Request, Answer]] = []
        self._evidence: Evidence | None = None

    def lock(self, org_ids: Iterable[UUID]) -> None:
        """Lock the logs of organizations, in the order in which everybody does."""
        for org_id in sorted(org_ids):
            self.unit(org_id)

    def unit(self, org_id: UUID) -> UnitOfWork:
        """Return an organization's unit of work; its log is locked from here on."""
        unit = self._units.get(org_id)
        if unit is None:
            position = self._memories.position(org_id)
            head, later, server_now, self.id = event_log.lock(self.conn, org_id, position)
            memory = self._memories.recall(org_id, later, head.position)
            clock_now = (
                self._clock() if self._clock is not None else server_now or datetime.now(UTC)
            )
            now = event_log.next_instant(head, clock_now)
            unit = UnitOfWork(self.conn, org_id, head, self.intent, now, memory)
            self._units[org_id] = unit
        return unit

    def drop(self, org_id: UUID) -> None:
        """Forget what was not flushed of an organization; it is loaded anew when asked for."""
        self._units.pop(org_id, None)
        self._memories.forget([org_id])

    def answer(self, org_id: UUID, request: Request, result: Result) -> Answer:
        """Keep the result of a request, so that the same again is answered with it."""
        answer = Answer.of(request, result)
        self._answered.append((org_id, request, answer))
        return answer

    def flush(self, *, commits: bool = False) -> None:
        """Write everything, each thing once. What is done after that is written by the next."""
        recorded: list[StoredEvent] = []
        if self._keeps_events:
            recorded = [each for unit in self._units.values() for each in unit.recorded]
        evidence = self._next_evidence()
        if commits:
            self.is_committing = True
            self._evidence = evidence
        redated = [org_id for org_id, unit in self._units.items() if unit.corrects_clock]
        try:
            with pipelined(self.conn, commits=commits and not redated):
                for unit in self._units.values():
                    unit.flush()
                if self._answered:
                    now = max(unit.now for unit in self._units.values())
                    idempotency.remember(self.conn, self._answered, now)
                    self._answered = []
        except VersionConflict:
            if not self._memories.forget(self._units):
                raise
            raise ForgottenStates from None
        for org_id in redated:
            from catactl.handling.rebuild import (
                rebuild,
            )  # here, so that other commands do not load it

            rebuild(self.conn, org_id, [view.NAME for view in DATED_PROJECTIONS])
        if commits and redated:  # with the limit on waiting for the answer that all commits have
            with pipelined(self.conn, commits=True):
                pass
        self.recorded += recorded
        self._evidence = evidence

    def _next_evidence(self) -> Evidence | None:
        """Return a test for rows that the database holds only if the next flush is committed. If
        that writes no such rows, return the test of the flush before.
        """
        for org_id, unit in self._units.items():
            if unit.has_events:
                return partial(event_log.holds, org_id=org_id, head=unit.head)
            if unit.evidence is not None:
                return unit.evidence
        for org_id, request, _ in self._answered:
            return partial(idempotency.holds, org_id=org_id, key=request.key)
        return self._evidence

    def was_committed(self, engine: Engine) -> bool:
        """Ask the database whether it committed this transaction, after the answer was lost.

        Raises `OutcomeUnknown` if that cannot be found out.
        """
        return self.id is not None and was_committed(engine, self.id, self._evidence)

    def remember(self) -> None:
        """Keep the states for the next transaction, now that they are committed."""
        for org_id, unit in self._units.items():
            self._memories.remember(org_id, unit.memory)


class ForgottenStates(Exception):
    """Remembered states did not match the stored ones; the next attempt loads them."""
