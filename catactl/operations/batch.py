"""Doing the lines of a batch: a transaction for so many of them, one lock an organization.

A line that is refused leaves the others alone. The results of keyed lines are committed together
with what they did, so whoever runs the whole input again after a crash does each of them once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from catactl.errors import CatactlError, NotFound
from catactl.handling.handler import Handler, utc_now
from catactl.handling.transaction import Transaction
from catactl.handling.unit_of_work import Intent
from catactl.operations.batch_lines import Failed, Line
from catactl.operations.registry import OperationScope
from catactl.store import idempotency, name_lookup
from catactl.store.idempotency import Answer, KeyLookup, Request, Result
from catactl.store.sql.errors import translated_errors
from catactl.store.sql.statements import begin
from catactl.values.ids import id_for_key, id_to_create
from catactl.values.spelling import normalized
from catactl.wiring.flow import Aggregate


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
    """Lock every organization that a line names or creates, before anything is done."""
    begin(transaction.conn)
    named, created = set[str](), set[UUID]()
    for line in lines:
        if isinstance(line, Line):
            if not line.verb.creates:
                named.add(line.intent.org_ref)
            elif line.intent.idempotency_key is not None:
                created.add(id_for_key(line.intent.idempotency_key))
    found = name_lookup.find_organizations(transaction.conn, named)
    transaction.lock({*found.values(), *created})


class _Doing:
    """Lines under way in one transaction: what they ask for is looked up for all at once."""

    def __init__(self, transaction: Transaction, lines: Sequence[Line]) -> None:
        self._transaction = transaction
        self._conn = transaction.conn
        begin(self._conn)
        self._keys = defaultdict[str, dict[str, UUID | None]](dict)
        for line in lines:
            key = line.intent.idempotency_key
            if key is not None:
                created = id_for_key(key) if line.verb.creates else None
                self._keys[line.intent.org_ref][key] = created
        references = {line.intent.org_ref for line in lines if not line.verb.creates}
        found = name_lookup.find_organizations(self._conn, references)
        self._org_ids = dict[str, UUID | None](found)
        # Under their locks, so that what others did under the same keys is seen, or not done yet.
        keyed = (created for keys in self._keys.values() for created in keys.values())
        self._locked = {*found.values(), *filter(None, keyed)}
        transaction.lock(self._locked)
        self._answers = dict[tuple[UUID, str], Answer]()
        self._answers_as_named = dict[tuple[str, str], Answer]()
        self._find_answers(self._keys)
        self._look_up(lines)

    def do(self, line: Line) -> Outcome:
        request = line.intent.keyed_request
        try:
            org_id = self._organization(line)
            answer = self._answer(org_id, request) if request is not None else None
            if request is not None and answer is not None:
                return Done(line.number, answer.to(request), True)
            if org_id is None:
                reference = line.intent.org_ref
                raise NotFound(f"no organization {reference!r}", "see: catactl org list")
            if line.verb.names:
                result = self._do_separately(line, org_id)
            else:
                result = self._run(line, org_id)
        except CatactlError as error:
            if error.retryable:  # no fault of the line: the transaction is over
                raise
            return Failed(line.number, error)
        if request is not None:
            answer = self._transaction.answer(org_id, request, result)
            self._answers[org_id, request.key] = answer
        return Done(line.number, result, False)

    def _run(self, line: Line, org_id: UUID) -> Result:
        unit = self._transaction.unit(org_id)
        place = OperationScope(self._conn, unit, org_id, line.intent.org_ref, line.intent)
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
        self._locked.add(org_id)
        self._org_ids.clear()  # names may mean others now
        return result

    def _organization(self, line: Line) -> UUID | None:
        """Return the organization that a line creates or names, if there is one of that name."""
        reference = line.intent.org_ref
        if line.verb.creates:
            return id_to_create(line.intent.idempotency_key, utc_now())
        if reference not in self._org_ids:
            found = name_lookup.find_organizations(self._conn, [reference]).get(reference)
            self._org_ids[reference] = found
            if found is not None and found not in self._locked:
                self._transaction.unit(found)
                self._locked.add(found)
                self._find_answers([reference])
        return self._org_ids[reference]

    def _find_answers(self, references: Iterable[str]) -> None:
        """Look up what came of the keyed lines that name, or create, these organizations."""
        asked = [
            KeyLookup(key, normalized(reference), created or self._org_ids.get(reference))
            for reference in references
            for key, created in self._keys[reference].items()
        ]
        for used in idempotency.used(self._conn, asked):
            self._answers[used.org_id, used.key] = used.answer
            self._answers_as_named[used.org_ref, used.key] = used.answer

    def _answer(self, org_id: UUID | None, request: Request) -> Answer | None:
        """Return what came of a request before: in this organization, else in the one that its
        name meant then, which may have given the name up since, to another even.
        """
        if org_id is not None and (org_id, request.key) in self._answers:
            return self._answers[org_id, request.key]
        answer = self._answers_as_named.get((request.org_ref, request.key))
        is_same = answer is not None and answer.may_be_of(request)
        return answer if is_same or org_id is None else None

    def _look_up(self, lines: Sequence[Line]) -> None:
        names = defaultdict[tuple[UUID, Aggregate], set[str]](set)
        for line in lines:
            org_id = self._org_ids.get(line.intent.org_ref)
            if org_id is not None:
                for aggregate, reference in line.verb.references(line.arguments):
                    names[org_id, aggregate].add(reference)
        for (org_id, aggregate), of_kind in names.items():
            self._transaction.unit(org_id).look_up(aggregate, of_kind)
