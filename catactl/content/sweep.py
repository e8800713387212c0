"""Removing content that nothing refers to, safely while uploads run.

First the content of files that were deleted long enough ago is given up, by an event of the file:
from there it cannot be restored. Then what the events refer to is put beside what is there, without
any lock. Only what neither is referred to nor young is a candidate.

No content that an event points at can be lost, whoever is slow, killed, or cut off from the
database. What is removed was given up before, at its address, by an event committed under the lock
of the organization's log, after a look at the events since the snapshot. A recorder stores content
first; under the same lock, in the transaction of its event, it sees that the content is there at an
address that was not given up, and stores it again at the next one if not. So of the two that come
together on one digest, one is first: either the recorder's event is committed, and the sweep sees
it and gives nothing up; or the address is given up, and the recorder sees that. And since no
address is ever used again, a sweep that removes late, even long after its lock was lost, removes
nothing that anybody came to rely on. References come about by such events alone, as a file whose
content was given up is never restored. The age spares uploads the trouble; the safety rests neither
on it nor on any clock.

All this holds for one log. A sweep does not touch content that another log recorded last, such as
the log of a copy of the database: see `mark`.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain, islice
from uuid import UUID

from sqlalchemy import Connection, Engine

from catactl.blobs.store import Blob, BlobStore, address_of
from catactl.content.mark import check_mark, claim
from catactl.content.recorder import dry_run
from catactl.content.references import (
    deleted_at,
    files_to_give_up,
    is_organization_deleted,
    referred_to_since,
    side_by_side,
    snapshot,
)
from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import SweepFileContent
from catactl.domain.organization import SweepOrganizationContent
from catactl.errors import BadConfiguration, Refused
from catactl.handling.handler import Handler, Intent
from catactl.handling.unit_of_work import UnitOfWork
from catactl.projections.swept_content import generations
from catactl.store.idempotency import Result
from catactl.store.sql.engine import reading

_FILES_AT_ONCE = 100
_BLOBS_AT_ONCE = 200


def sweep(
    handler: Handler,
    engine: Engine,
    blobs: BlobStore,
    org_id: UUID,
    before: datetime,
    intent: Intent,
    *,
    claims: bool = False,
) -> Result:
    """Remove an organization's content that nothing has referred to since `before`.

    Returns the number of files whose content was given up, of blobs and bytes removed, and of
    unfinished writes; in a dry run, the numbers that would be. The sweep may break off anywhere:
    the next one removes the content that this one gave up and did not remove. Raises
    `ContentOfAnotherLog` if another log recorded content last, unless it `claims` the content for
    this log.
    """

    def check(conn: Connection) -> None:
        if not claims:
            check_mark(conn, blobs, org_id)

    replayed = dry_run(handler, org_id, lambda conn, _: check(conn), intent)
    if replayed:
        return replayed
    step = intent.unkeyed()
    _check_place(engine, blobs, org_id, before)
    given_up = _give_up(handler, engine, org_id, before, check, step)
    blob_count = size_bytes = 0
    with snapshot(engine, org_id, before, as_if_given_up=intent.dry_run) as found:
        position, references, now_in = found
        candidates = (
            blob
            for pair in side_by_side(references, blobs.list(org_id))
            for blob in pair.blobs
            if blob.modified_at <= before
            and (not pair.references or blob.generation < now_in.get(pair.sha256, 0))
        )
        while batch := list(islice(candidates, _BLOBS_AT_ONCE)):
            removable = _give_up_content(handler, org_id, position, batch, check, step)
            if not intent.dry_run:
                blobs.delete(org_id, [blob.address for blob in removable])
            blob_count += len(removable)
            size_bytes += sum(blob.size_bytes for blob in removable)
    if claims and not intent.dry_run:
        # Claim last, because the events of this sweep give the log a head that no other log has.
        claim(handler, blobs, org_id, intent)
    row: Result = {
        "org_id": str(org_id),
        "given_up_files": given_up,
        "removed_blobs": blob_count,
        "removed_bytes": size_bytes,
        "abandoned_writes": 0 if intent.dry_run else blobs.discard_abandoned(org_id),
    }
    if intent.idempotency_key is not None:
        handler.transact(org_id, intent, lambda _conn, _unit: row)
    return row


def _check_place(engine: Engine, blobs: BlobStore, org_id: UUID, before: datetime) -> None:
    """Raise `BadConfiguration` when nothing is there of all that the log refers to: then this is
    not where the content was put.
    """
    with snapshot(engine, org_id, before) as (_, references, now_in):
        first = next(references, None)
        if first is None:
            return
        for pair in side_by_side(chain([first], references), blobs.list(org_id)):
            if pair.references and pair.blobs:
                return
    address = address_of(first.sha256, now_in.get(first.sha256, 0))
    where = blobs.locate(org_id, address)
    raise BadConfiguration(
        f"none of the content of organization {org_id} is there, as in {where}",
        "is this where it was uploaded to? catactl config show",
    )


def _give_up(
    handler: Handler,
    engine: Engine,
    org_id: UUID,
    before: datetime,
    check: Callable[[Connection], None],
    intent: Intent,
) -> int:
    """Give up the content of files that were deleted by then; return how many files had content.

    `check` raises, under the lock, if another log recorded content last.
    """
    with reading(engine) as conn:
        if is_organization_deleted(conn, org_id, before):
            return 0  # it takes no commands, and needs none
        file_ids = files_to_give_up(conn, org_id, before)
    given_up = 0

    def work(conn: Connection, unit: UnitOfWork) -> Result:
        check(conn)
        count = 0
        for file_id in some:
            moment = deleted_at(conn, org_id, file_id)
            if moment is not None and moment <= before:
                with suppress(Refused):  # restored in the meantime
                    count += len(unit.run(CommandEnvelope(file_id, SweepFileContent())).events)
        return {"count": count}

    for first in range(0, len(file_ids), _FILES_AT_ONCE):
        some = file_ids[first : first + _FILES_AT_ONCE]
        given_up += handler.transact(org_id, intent, work)["count"]
    return given_up


def _give_up_content(
    handler: Handler,
    org_id: UUID,
    position: int,
    candidates: Sequence[Blob],
    check: Callable[[Connection], None],
    intent: Intent,
) -> list[Blob]:
    """Give up the candidates that nothing has referred to since the snapshot. Return these and the
    candidates that were given up before, because both may be removed. `check` is as for `_give_up`.
    """
    removable: list[Blob] = []

    def work(conn: Connection, unit: UnitOfWork) -> Result:
        check(conn)
        now_in = generations(conn, org_id, {blob.sha256 for blob in candidates})
        referred_to = referred_to_since(conn, org_id, position)
        removable.clear()
        next_in: dict[str, int] = {}
        for blob in candidates:
            generation = now_in.get(blob.sha256, 0)
            if blob.generation < generation:
                removable.append(blob)
            elif blob.sha256 not in referred_to:
                removable.append(blob)
                next_in[blob.sha256] = max(next_in.get(blob.sha256, 0), blob.generation + 1)
        unit.run(CommandEnvelope(org_id, SweepOrganizationContent(next_in)))
        return {}

    handler.transact(org_id, intent, work)
    return removable
