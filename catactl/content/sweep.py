"""Remove content that no event refers to, while uploads run.

A sweep has two steps. First it sweeps the files that were deleted long enough ago: after the event
`file.content_swept` a file cannot be restored. Then it compares the references of the events with
the blobs in the store, without a lock. A blob is a candidate if it has no reference and is old
enough.

No content with a reference is lost, even if a process is slow, killed, or cut off from the
database:

- Before a blob is removed, the event `organization.content_swept` sweeps its address. This event is
  committed under the lock of the organization's log, after it was checked that no event since the
  snapshot refers to the blob.
- An upload stores content before it records it. In the transaction that records it, and under the
  same lock, it checks that the content is there at an address that was not swept. Otherwise it
  stores the content again, at the next address.
- So if an upload and a sweep meet at one digest, one of them comes first. Either the event of the
  upload is committed, and the sweep sees it and keeps the address. Or the address is swept, and
  the upload sees the sweep.
- A swept address is never used again. Therefore a sweep that removes a blob late, even long after
  it lost its lock, removes nothing that an event refers to.
- References come only from events of uploads, because a swept file is never restored.

The age of a blob only saves uploads from storing content twice. Safety depends neither on the age
nor on any clock.

All this holds for one log. A sweep does not touch content that another log recorded last, such as
the log of a copy of the database: see `mark`.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import cast
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import Blob, BlobStore, address_of
from catactl.content.mark import check_mark, claim
from catactl.content.recorder import dry_run
from catactl.content.references import (
    deleted_at,
    digests_uploaded_since,
    files_to_sweep,
    is_organization_deleted,
    merge_by_digest,
    snapshot,
)
from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import SweepFileContent
from catactl.domain.organization import SweepOrganizationContent
from catactl.errors import BadConfiguration, Refused
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import UnitOfWork
from catactl.projections.swept_content import generations
from catactl.results.content import SweptOrganization
from catactl.store.idempotency import Result
from catactl.store.sql.bulk import batched
from catactl.store.sql.engine import reading

_FILES_AT_ONCE = 100
_BLOBS_AT_ONCE = 200


def sweep(
    handler: Handler,
    blobs: BlobStore,
    org_id: UUID,
    before: datetime,
    intent: Intent,
    *,
    claims: bool = False,
) -> SweptOrganization:
    """Remove an organization's content that no event has referred to since `before`.

    Return the numbers of files whose content was swept, of removed blobs and bytes, and of
    discarded unfinished writes. A dry run only counts them. If a sweep is interrupted,
    the next one removes the content that this one swept but did not remove. Raises
    `ContentOfAnotherLog` if another log recorded content last, unless it `claims` the content for
    this log.
    """
    run = _Sweep(handler, blobs, org_id, before, intent.unkeyed(), claims)
    if replayed := dry_run(handler, org_id, run.check, intent):
        return cast(SweptOrganization, replayed)
    run.check_place()
    swept_files = run.sweep_files()
    removed_blobs, removed_bytes = run.remove_blobs()
    if claims and not intent.dry_run:
        # Claim last, because the events of this sweep give the log a head that no other log has.
        claim(handler, blobs, org_id, intent)
    result: SweptOrganization = {
        "org_id": str(org_id),
        "given_up_files": swept_files,
        "removed_blobs": removed_blobs,
        "removed_bytes": removed_bytes,
        "abandoned_writes": 0 if intent.dry_run else blobs.discard_abandoned(org_id),
    }
    if intent.idempotency_key is not None:
        handler.transact(org_id, intent, lambda _conn, _unit: {**result})
    return result


@dataclass
class _Sweep:
    """A sweep of one organization. `intent` is the intent of its transactions."""

    handler: Handler
    blobs: BlobStore
    org_id: UUID
    before: datetime
    intent: Intent
    claims: bool

    def check(self, conn: Connection, _unit: UnitOfWork) -> None:
        """Raise `ContentOfAnotherLog` if another log recorded content last. Call it under the
        lock.
        """
        if not self.claims:
            check_mark(conn, self.blobs, self.org_id)

    def check_place(self) -> None:
        """Raise `BadConfiguration` if the store has none of the content that the log refers to,
        because then it is not the store that the content was uploaded to.
        """
        with snapshot(self.handler.engine, self.org_id, self.before) as (_, references, current):
            first = next(references, None)
            if first is None:
                return
            entries = merge_by_digest(chain([first], references), self.blobs.list(self.org_id))
            if any(entry.references and entry.blobs for entry in entries):
                return
        address = address_of(first.sha256, current.get(first.sha256, 0))
        where = self.blobs.locate(self.org_id, address)
        raise BadConfiguration(
            f"the content of organization {self.org_id} is not in the blob store, such as {where}",
            "check the blob URL: catactl config show",
        )

    def sweep_files(self) -> int:
        """Sweep the content of files that were deleted before that time. Return the number of files
        that had content.
        """
        with reading(self.handler.engine) as conn:
            if is_organization_deleted(conn, self.org_id, self.before):
                return 0  # a deleted organization accepts no commands for files, and needs none
            file_ids = files_to_sweep(conn, self.org_id, self.before)
        swept = 0
        for batch in batched(file_ids, _FILES_AT_ONCE):
            swept += self._sweep_files(batch)
        return swept

    def _sweep_files(self, file_ids: Sequence[UUID]) -> int:
        def work(conn: Connection, unit: UnitOfWork) -> Result:
            self.check(conn, unit)
            count = 0
            for file_id in file_ids:
                moment = deleted_at(conn, self.org_id, file_id)
                if moment is not None and moment <= self.before:
                    with suppress(Refused):  # the file was restored in the meantime
                        count += len(unit.run(CommandEnvelope(file_id, SweepFileContent())).events)
            return {"count": count}

        count: int = self.handler.transact(self.org_id, self.intent, work)["count"]
        return count

    def remove_blobs(self) -> tuple[int, int]:
        """Sweep and remove the blobs without references. Return their number and size."""
        is_dry_run = self.intent.dry_run
        blob_count = size_bytes = 0
        with snapshot(self.handler.engine, self.org_id, self.before, as_if_swept=is_dry_run) as (
            position,
            references,
            current,
        ):
            candidates = (
                blob
                for entry in merge_by_digest(references, self.blobs.list(self.org_id))
                for blob in entry.blobs
                if blob.modified_at <= self.before and not entry.is_referred_to(blob, current)
            )
            for batch in batched(candidates, _BLOBS_AT_ONCE):
                removable = self._sweep_addresses(position, batch)
                if not is_dry_run:
                    self.blobs.delete(self.org_id, [blob.address for blob in removable])
                blob_count += len(removable)
                size_bytes += sum(blob.size_bytes for blob in removable)
        return blob_count, size_bytes

    def _sweep_addresses(self, position: int, candidates: Sequence[Blob]) -> list[Blob]:
        """Sweep the addresses of the candidates that no event has referred to since the snapshot.
        Return these and the candidates that were swept before: both may be removed.
        """
        removable: list[Blob] = []

        def work(conn: Connection, unit: UnitOfWork) -> Result:
            self.check(conn, unit)
            current = generations(conn, self.org_id, {blob.sha256 for blob in candidates})
            referred_to = digests_uploaded_since(conn, self.org_id, position)
            removable.clear()
            swept: dict[str, int] = {}
            for blob in candidates:
                if blob.generation < current.get(blob.sha256, 0):
                    removable.append(blob)
                elif blob.sha256 not in referred_to:
                    removable.append(blob)
                    swept[blob.sha256] = max(swept.get(blob.sha256, 0), blob.generation + 1)
            unit.run(CommandEnvelope(self.org_id, SweepOrganizationContent(swept)))
            return {}

        self.handler.transact(self.org_id, self.intent, work)
        return removable
