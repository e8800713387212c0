"""Doing the lines of a batch: a transaction for so many of them, one lock an organization.

A line that is refused leaves the others alone. The results of keyed lines are committed together
with what they did, so whoever runs the whole input again after a crash does each of them once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from catactl.batch.lines import Failed, Line
from catactl.batch.verb import Place
from catactl.errors import CatactlError, NotFound
from catactl.handler import Handler, utc_now
from catactl.ids import id_for_key, new_id
from catactl.store import directory, idempotency
from catactl.store.driver_errors import translated_errors
from catactl.store.idempotency import Answer, Result
from catactl.store.wire import begin
from catactl.transaction import Transaction
from catactl.unit_of_work import Intent
from catactl.wiring import Aggregate


class Done(NamedTuple):
    """A line that was done, now or, as `replayed` says, by an earlier run under its key."""

    number: int
    result: Result
    replayed: bool


Read = Line | Failed
Outcome = Done | Failed


class StoppedAt(Exception):
    """What makes a batch that is all or nothing come to nothing."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.number)
        self.failed = failed


def apply_in_batches(
    handler: Handler, lines: Iterable[Read], intent: Intent, batch: int, *, fails_fast: bool
) -> Iterator[list[Outcome]]:
    """Commit every so many lines; yield their outcomes, in order, once they are committed.

    With `fails_fast` nothing after the first line that fails is done.
    """
    lines = iter(lines)
    while some := list(islice(lines, batch)):

        def work(transaction: Transaction, some: Sequence[Read] = some) -> list[Outcome]:
            return _do_all(transaction, some, fails_fast=fails_fast)

        outcomes = handler.transact_across(intent.unkeyed(), work)
        yield outcomes
        if fails_fast and isinstance(outcomes[-1], Failed):
            return


def apply_at_once(
    handler: Handler,
    open_lines: Callable[[], Iterable[Read]],
    intent: Intent,
    batch: int,
    keep: Callable[[list[Outcome]], None],
) -> None:
    """Do all lines in one transaction. With a dry run a line that fails leaves the others alone;
    else the first raises `StoppedAt`, and nothing is done.

    Memory stays flat: what so many lines change is written before the next are done. The lines are
    opened anew, and outcomes kept anew, whenever the transaction has to start over.
    """

    def work(transaction: Transaction) -> None:
        _lock_all(transaction, open_lines())
        lines = iter(open_lines())
        while some := list(islice(lines, batch)):
            outcomes = _do_all(transaction, some, fails_fast=not intent.dry_run)
            if not intent.dry_run and isinstance(outcomes[-1], Failed):
                raise StoppedAt(outcomes[-1])
            transaction.flush()
            keep(outcomes)

    handler.transact_across(intent.unkeyed(), work)


def _do_all(transaction: Transaction, some: Sequence[Read], *, fails_fast: bool) -> list[Outcome]:
    """Do each line; with `fails_fast` the first that fails is the last outcome."""
    doing = _Doing(transaction, [line for line in some if isinstance(line, Line)])
    outcomes: list[Outcome] = []
    for line in some:
        outcome = doing.do(line) if isinstance(line, Line) else line
        outcomes.append(outcome)
        if fails_fast and isinstance(outcome, Failed):
            break
    return outcomes


def _lock_all(transaction: Transaction, lines: Iterable[Read]) -> None:
    """Lock every organization that a line names, before anything is done."""
    begin(transaction.conn)
    references = {
        line.intent.org_ref for line in lines if isinstance(line, Line) and not line.verb.creates
    }
    found = directory.find_organizations(transaction.conn, references)
    transaction.lock(found.values())


class _Doing:
    """Lines under way in one transaction: what they ask for is looked up for all at once."""

    def __init__(self, transaction: Transaction, lines: Sequence[Line]) -> None:
        self._transaction = transaction
        self._conn = transaction.conn
        begin(self._conn)
        references = {line.intent.org_ref for line in lines if not line.verb.creates}
        self._org_ids = directory.find_organizations(self._conn, references)
        transaction.lock(self._org_ids.values())
        self._answers = self._find_answers(lines)
        self._look_up(lines)

    def do(self, line: Line) -> Outcome:
        try:
            org_id = self._organization(line)
            request = line.intent.keyed_request
            if request is not None and (org_id, request.key) in self._answers:
                return Done(line.number, self._answers[org_id, request.key].to(request), True)
            if line.verb.names:
                result = self._do_separately(line, org_id)
            else:
                result = self._run(line, org_id)
        except CatactlError as error:
            return Failed(line.number, error)
        if request is not None:
            answer = self._transaction.answer(org_id, request, result)
            self._answers[org_id, request.key] = answer
        return Done(line.number, result, False)

    def _run(self, line: Line, org_id: UUID) -> Result:
        unit = self._transaction.unit(org_id)
        place = Place(self._conn, unit, org_id, line.intent.org_ref, line.intent)
        return line.verb.do(place, **line.arguments)

    def _do_separately(self, line: Line, org_id: UUID) -> Result:
        """Write at once what changes names of organizations. They are unique over all, and no lock
        of ours keeps others from taking one just now: then this line fails, and not all.
        """
        transaction = self._transaction
        transaction.unit(org_id)
        transaction.flush()
        savepoint = self._conn.begin_nested()
        try:
            with translated_errors():
                result = self._run(line, org_id)
                transaction.flush()
        except BaseException:
            savepoint.rollback()
            transaction.drop(org_id)
            raise
        savepoint.commit()
        self._org_ids.clear()  # names may mean others now
        return result

    def _organization(self, line: Line) -> UUID:
        intent = line.intent
        if line.verb.creates:
            key = intent.idempotency_key
            return id_for_key(key) if key is not None else new_id(utc_now())
        found = self._org_ids.get(intent.org_ref)
        if found is None:
            found = self._org_ids[intent.org_ref] = self._resolve(intent)
        return found

    def _resolve(self, intent: Intent) -> UUID:
        """Find an organization; by the idempotency key when its name is no more."""
        reference, key = intent.org_ref, intent.idempotency_key
        found = directory.find_organizations(self._conn, [reference]).get(reference)
        if found is None and key is not None:
            found = directory.find_organization_by_key(self._conn, reference, key)
        if found is None:
            raise NotFound(f"no organization {reference!r}", "see: catactl org list")
        return found

    def _find_answers(self, lines: Sequence[Line]) -> dict[tuple[UUID, str], Answer]:
        keys = defaultdict[UUID, list[str]](list)
        for line in lines:
            key = line.intent.idempotency_key
            if key is not None:
                with suppress(NotFound):
                    keys[self._organization(line)].append(key)
        return {
            (org_id, key): answer
            for org_id, of_org in keys.items()
            for key, answer in idempotency.answers(self._conn, org_id, of_org).items()
        }

    def _look_up(self, lines: Sequence[Line]) -> None:
        names = defaultdict[tuple[UUID, Aggregate], set[str]](set)
        for line in lines:
            org_id = self._org_ids.get(line.intent.org_ref)
            if org_id is not None:
                for aggregate, reference in line.verb.references(line.arguments):
                    names[org_id, aggregate].add(reference)
        for (org_id, aggregate), of_kind in names.items():
            self._transaction.unit(org_id).look_up(aggregate, of_kind)
