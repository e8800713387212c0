"""A transaction over any number of organizations: their locks, units of work, and keyed results.

Logs are locked in ascending order of their ids, so two transactions cannot wait for each other.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar, cast
from uuid import UUID

from sqlalchemy import Connection, Engine

from catactl.errors import VersionConflict
from catactl.handling.intent import Intent
from catactl.handling.state_cache import StateCaches
from catactl.handling.unit_of_work import UnitOfWork
from catactl.store import event_log, idempotency, name_lookup
from catactl.store.event_log import StoredEvent
from catactl.store.idempotency import Answer, Request
from catactl.store.sql.commit_outcome import Evidence, was_committed
from catactl.store.sql.statements import begin, pipelined
from catactl.wiring.flow import DATED_PROJECTIONS

P = ParamSpec("P")
R = TypeVar("R", bound=Mapping[str, object])


class Transaction:
    """A transaction in progress on one connection. Nothing is written before `flush`.

    `events` holds the written events if they are kept; those of a batch would be too many. `id` is
    PostgreSQL's id of the transaction after a log is locked. Without a clock, PostgreSQL's server
    dates events, so that no client's clock can; on SQLite this machine's clock does.
    """

    def __init__(
        self,
        conn: Connection,
        intent: Intent,
        clock: Callable[[], datetime] | None,
        caches: StateCaches,
        *,
        keeps_events: bool = False,
    ) -> None:
        self.conn = conn
        self.intent = intent
        self.events: list[StoredEvent] = []
        self.is_replay = False
        self.is_committing = False
        self.id: str | None = None
        self._keeps_events = keeps_events
        self._clock = clock
        self._caches = caches
        self._units: dict[UUID, UnitOfWork] = {}
        self._answered: list[tuple[UUID, Request, Answer]] = []
        self._evidence: Evidence | None = None

    def lock(self, org_ids: Iterable[UUID]) -> None:
        """Lock the logs of organizations in the order of their ids, as every transaction does."""
        for org_id in sorted(org_ids):
            self.unit(org_id)

    def unit(self, org_id: UUID) -> UnitOfWork:
        """Return an organization's unit of work. Its log is locked until the transaction ends."""
        unit = self._units.get(org_id)
        if unit is None:
            position = self._caches.position(org_id)
            head, later, server_now, self.id = event_log.lock(self.conn, org_id, position)
            cache = self._caches.recall(org_id, later, head.position)
            clock_now = (
                self._clock() if self._clock is not None else server_now or datetime.now(UTC)
            )
            now = event_log.next_instant(head, clock_now)
            unit = UnitOfWork(self.conn, org_id, head, self.intent, now, cache)
            self._units[org_id] = unit
        return unit

    def run_once(
        self,
        org_id: UUID | None,
        operation: Callable[Concatenate[UnitOfWork, P], R],
        *arguments: P.args,
        **given: P.kwargs,
    ) -> R:
        """Run an operation under the lock of its organization, which the intent names by default.

        If the same request was run under its key before, return the stored result instead.
        """
        if org_id is None:
            begin(self.conn)
            org_id = find_organization(self.conn, self.intent)
        unit = self.unit(org_id)
        unit.suggests_names = True
        request = self.intent.keyed_request
        if request is None:
            return operation(unit, *arguments, **given)
        answer = idempotency.find_answer(self.conn, org_id, request.key)
        if answer is not None:
            self.is_replay = True
            return cast(R, answer.to(request))
        result = operation(unit, *arguments, **given)
        self.answer(org_id, request, result)
        return result

    def drop(self, org_id: UUID) -> None:
        """Drop the changes of an organization that were not flushed."""
        self._units.pop(org_id, None)
        self._caches.forget([org_id])

    def answer(self, org_id: UUID, request: Request, result: Mapping[str, object]) -> Answer:
        """Keep the result of a request, for repetitions of the same request."""
        answer = Answer.of(request, result)
        self._answered.append((org_id, request, answer))
        return answer

    def flush(self, *, commits: bool = False) -> None:
        """Write the changes of all units of work. Later changes need another flush."""
        events: list[StoredEvent] = []
        if self._keeps_events:
            events = [each for unit in self._units.values() for each in unit.events]
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
            if not self._caches.forget(self._units):
                raise
            raise ForgottenStates from None
        for org_id in redated:
            from catactl.handling.rebuild import (
                rebuild,
            )  # here, so that other commands do not load it

            rebuild(self.conn, org_id, [projection.NAME for projection in DATED_PROJECTIONS])
        if commits and redated:  # because each commit has a limit on waiting for its result
            with pipelined(self.conn, commits=True):
                pass
        self.events += events
        self._evidence = evidence

    def _next_evidence(self) -> Evidence | None:
        """Return a test for rows that the database holds only if the next flush is committed. If
        this flush writes no such rows, return the test of the flush before.
        """
        for org_id, unit in self._units.items():
            if unit.events:
                return partial(event_log.holds, org_id=org_id, head=unit.head)
            if unit.evidence is not None:
                return unit.evidence
        for org_id, request, _ in self._answered:
            return partial(idempotency.holds, org_id=org_id, key=request.key)
        return self._evidence

    def was_committed(self, engine: Engine) -> bool:
        """Return whether the database committed this transaction, after its response was lost.

        Raises `OutcomeUnknown` if that cannot be found out.
        """
        return self.id is not None and was_committed(engine, self.id, self._evidence)

    def remember(self) -> None:
        """Cache the committed states for the next transaction."""
        for org_id, unit in self._units.items():
            self._caches.remember(org_id, unit.cache)


def find_organization(conn: Connection, intent: Intent, *, is_read: bool = True) -> UUID:
    """Return the organization that an intent names. If the same request was run under its key
    before, return the organization of that run, because the name may mean another one now.

    If `is_read` is false, the request does not have its content yet, so any request under the key
    may be the same.
    """
    org_ref, request = intent.org_ref, intent.keyed_request
    if request is None:
        return name_lookup.resolve_organization(conn, org_ref)
    found = name_lookup.find_organizations(conn, [org_ref]).get(org_ref)
    lookup = idempotency.KeyLookup(request.key, request.org_ref, found)
    used = list(idempotency.used(conn, [lookup]))
    done_for = idempotency.done_for(
        lookup, used, lambda answer: not is_read or answer.may_be_of(request)
    )
    return done_for if done_for is not None else name_lookup.resolve_organization(conn, org_ref)


class ForgottenStates(Exception):
    """Cached states did not match the stored ones; the next attempt loads them."""
