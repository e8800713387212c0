"""Run the lines of `apply`: many operations in one transaction, with one lock per organization.

A line that fails does not affect the others. The result of a line with an idempotency key is
committed together with its events, so running the whole input again runs each such line once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

from catactl.errors import CatactlError, NotFound
from catactl.handling.handler import Handler, utc_now
from catactl.handling.intent import Intent
from catactl.handling.transaction import Transaction
from catactl.operations.batch_lines import BatchLine, FailedLine
from catactl.store import idempotency, name_lookup
from catactl.store.idempotency import Answer, KeyLookup, Request, Result
from catactl.store.sql.bulk import batched
from catactl.store.sql.errors import translated_errors
from catactl.store.sql.statements import begin
from catactl.values.ids import id_for_key, id_to_create
from catactl.values.spelling import normalized
from catactl.wiring.flow import Aggregate


class DoneLine(NamedTuple):
    """A line that was run. `replayed` is true if an earlier run under its key ran it."""

    number: int
    result: Result
    replayed: bool


InputLine = BatchLine | FailedLine
LineOutcome = DoneLine | FailedLine


class StoppedAt(Exception):
    """Raised to end an atomic batch at the first line that failed, so that nothing is committed."""

    def __init__(self, failed: FailedLine) -> None:
        super().__init__(failed.number)
        self.failed = failed


def apply_in_batches(
    handler: Handler, lines: Iterable[InputLine], intent: Intent, batch: int, *, fails_fast: bool
) -> Iterator[list[LineOutcome]]:
    """Run and commit `batch` lines at a time; yield their outcomes, in order, once committed.

    With `fails_fast`, no line after the first that fails is run.
    """
    for some in batched(lines, batch):
        work = partial(_run_lines, lines=some, fails_fast=fails_fast)
        outcomes = handler.transact_across(intent.unkeyed(), work)
        yield outcomes
        if fails_fast and isinstance(outcomes[-1], FailedLine):
            return


def apply_at_once(
    handler: Handler,
    open_lines: Callable[[], Iterable[InputLine]],
    intent: Intent,
    batch: int,
    keep: Callable[[list[LineOutcome]], None],
) -> None:
    """Run all lines in one transaction.

    The first line that fails raises `StoppedAt`, and nothing is committed. In a dry run it does not
    affect the others. The changes of `batch` lines are written before the next lines are run, so
    that memory stays flat. When the transaction starts over, the lines are opened again, and `keep`
    gets all outcomes again.
    """

    def work(transaction: Transaction) -> None:
        _lock_all(transaction, open_lines())
        for some in batched(open_lines(), batch):
            outcomes = _run_lines(transaction, some, fails_fast=not intent.dry_run)
            if not intent.dry_run and isinstance(outcomes[-1], FailedLine):
                raise StoppedAt(outcomes[-1])
            transaction.flush()
            keep(outcomes)

    handler.transact_across(intent.unkeyed(), work)


def _run_lines(
    transaction: Transaction, lines: Sequence[InputLine], *, fails_fast: bool
) -> list[LineOutcome]:
    """Run each line; with `fails_fast` the first that fails is the last outcome."""
    runner = _LineRunner(transaction, [line for line in lines if isinstance(line, BatchLine)])
    outcomes: list[LineOutcome] = []
    for line in lines:
        outcome = runner.run(line) if isinstance(line, BatchLine) else line
        outcomes.append(outcome)
        if fails_fast and isinstance(outcome, FailedLine):
            break
    return outcomes


def _lock_all(transaction: Transaction, lines: Iterable[InputLine]) -> None:
    """Lock every organization that a line names or creates, before any line is run."""
    begin(transaction.conn)
    named, created = set[str](), set[UUID]()
    for line in lines:
        if isinstance(line, BatchLine):
            if not line.operation.creates:
                named.add(line.intent.org_ref)
            elif line.intent.idempotency_key is not None:
                created.add(id_for_key(line.intent.idempotency_key))
    found = name_lookup.find_organizations(transaction.conn, named)
    transaction.lock({*found.values(), *created})


class _LineRunner:
    """Runs lines in one transaction, after looking up the names and keys of all of them."""

    def __init__(self, transaction: Transaction, lines: Sequence[BatchLine]) -> None:
        self._transaction = transaction
        self._conn = transaction.conn
        begin(self._conn)
        self._keys = defaultdict[str, dict[str, UUID | None]](dict)
        for line in lines:
            key = line.intent.idempotency_key
            if key is not None:
                created = id_for_key(key) if line.operation.creates else None
                self._keys[line.intent.org_ref][key] = created
        references = {line.intent.org_ref for line in lines if not line.operation.creates}
        found = name_lookup.find_organizations(self._conn, references)
        self._org_ids = dict[str, UUID | None](found)
        # Lock before reading keys, because another transaction may be using the same keys.
        keyed = (created for keys in self._keys.values() for created in keys.values())
        self._locked = {*found.values(), *filter(None, keyed)}
        transaction.lock(self._locked)
        self._answers = dict[tuple[UUID, str], Answer]()
        self._answers_by_name = dict[tuple[str, str], Answer]()
        self._load_answers(self._keys)
        self._load_names(lines)

    def run(self, line: BatchLine) -> LineOutcome:
        """Run a line, or return the stored result of its key."""
        request = line.intent.keyed_request
        try:
            org_id = self._organization(line)
            answer = self._answer(org_id, request) if request is not None else None
            if request is not None and answer is not None:
                return DoneLine(line.number, answer.to(request), True)
            if org_id is None:
                reference = line.intent.org_ref
                raise NotFound(f"no organization {reference!r}", "see: catactl org list")
            if line.operation.changes_names:
                result = self._run_in_savepoint(line, org_id)
            else:
                result = self._run(line, org_id)
        except CatactlError as error:
            if error.retryable:  # the transaction failed, not the line
                raise
            return FailedLine(line.number, error)
        if request is not None:
            answer = self._transaction.answer(org_id, request, result)
            self._answers[org_id, request.key] = answer
        return DoneLine(line.number, result, False)

    def _run(self, line: BatchLine, org_id: UUID) -> Result:
        unit = self._transaction.unit(org_id)
        unit.intent = line.intent
        result: Result = line.operation.run(unit, **line.arguments)
        return result

    def _run_in_savepoint(self, line: BatchLine, org_id: UUID) -> Result:
        """Run and write a line that changes names of organizations.

        Names are unique over all organizations and are not locked, so another transaction may take
        one meanwhile. With the savepoint only this line fails then.
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
        self._org_ids.clear()  # because names may mean other organizations now
        return result

    def _organization(self, line: BatchLine) -> UUID | None:
        """Return the organization that a line creates or names, if it exists."""
        reference = line.intent.org_ref
        if line.operation.creates:
            return id_to_create(line.intent.idempotency_key, utc_now())
        if reference not in self._org_ids:
            found = name_lookup.find_organizations(self._conn, [reference]).get(reference)
            self._org_ids[reference] = found
            if found is not None and found not in self._locked:
                self._transaction.unit(found)
                self._locked.add(found)
                self._load_answers([reference])
        return self._org_ids[reference]

    def _load_answers(self, references: Iterable[str]) -> None:
        """Load the stored results of the keyed lines that name or create these organizations."""
        lookups = [
            KeyLookup(key, normalized(reference), created or self._org_ids.get(reference))
            for reference in references
            for key, created in self._keys[reference].items()
        ]
        for used in idempotency.used(self._conn, lookups):
            self._answers[used.org_id, used.key] = used.answer
            self._answers_by_name[used.org_ref, used.key] = used.answer

    def _answer(self, org_id: UUID | None, request: Request) -> Answer | None:
        """Return the stored result of a request: in this organization, else in the one that had the
        name when the request was run.
        """
        if org_id is not None and (org_id, request.key) in self._answers:
            return self._answers[org_id, request.key]
        answer = self._answers_by_name.get((request.org_ref, request.key))
        is_same = answer is not None and answer.may_be_of(request)
        return answer if is_same or org_id is None else None

    def _load_names(self, lines: Sequence[BatchLine]) -> None:
        """Look up the names of files and jobs in all lines."""
        names = defaultdict[tuple[UUID, Aggregate], set[str]](set)
        for line in lines:
            org_id = self._org_ids.get(line.intent.org_ref)
            if org_id is not None:
                for aggregate, reference in line.operation.references(line.arguments):
                    names[org_id, aggregate].add(reference)
        for (org_id, aggregate), of_kind in names.items():
            self._transaction.unit(org_id).names.look_up(aggregate, of_kind)
