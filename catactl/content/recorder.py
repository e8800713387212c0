"""Record uploads in the log of an organization: look up files, check the rules, record parts."""

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import BlobStore
from catactl.content.mark import record_and_mark
from catactl.content.pending import PendingFile, PendingUpload, Recorded
from catactl.content.stored_parts import ContentGone, check_stored
from catactl.domain.organization import Organization, OrganizationStatus
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import UnitOfWork
from catactl.projections.swept_content import generations
from catactl.store import idempotency, name_lookup
from catactl.store.idempotency import Result
from catactl.store.sql.engine import reading
from catactl.store.tables import files
from catactl.wiring.flow import FILE, ORGANIZATION


class Recorder:
    """Records the uploads to one organization. `generations` holds the generations of its content
    that are known so far.
    """

    def __init__(self, handler: Handler, blobs: BlobStore, org_id: UUID) -> None:
        self.blobs = blobs
        self.org_id = org_id
        self.generations: dict[str, int] = {}
        self._handler = handler

    def look_up(self, uploads: Sequence[PendingFile]) -> None:
        """Look up the live files of the uploads' names, and the room that the quota has left."""
        with reading(self._handler.engine) as conn:
            names = [upload.name for upload in uploads]
            file_ids = name_lookup.find_all_live(conn, files, self.org_id, names)
            organization = ORGANIZATION.store.get_by_id(conn, self.org_id, self.org_id)
            digests = set()
            for upload in uploads:
                upload.room_bytes = _room_bytes(organization.state) if organization else None
                upload.file_id = file_ids.get(upload.name)
                if upload.file_id is None:
                    continue
                stored = FILE.store.get_by_id(conn, self.org_id, upload.file_id)
                upload.existing = stored.state if stored is not None else None
                if upload.existing is not None:
                    digests |= {part.sha256 for part in upload.existing.parts}
            self.generations |= generations(conn, self.org_id, digests)

    def is_key_used(self, key: str) -> bool:
        """Return whether an idempotency key was used before, for any request."""
        with reading(self._handler.engine) as conn:
            return idempotency.holds(conn, self.org_id, key)

    def check_rules(self, upload: PendingUpload, size_bytes: int, intent: Intent) -> None:
        """Raise the error of the rules if they refuse an upload of that size. Nothing is written.

        If the intent's idempotency key was used before, the upload gets the stored result.
        """

        def work(conn: Connection, unit: UnitOfWork) -> None:
            upload.check_rules(conn, unit, size_bytes)

        upload.result = dry_run(self._handler, self.org_id, work, intent) or None

    def record(self, uploads: Sequence[PendingUpload]) -> None:
        """Record the ready parts of the uploads in one transaction: all of them or none. Finish
        the uploads that are whole.

        An upload with an idempotency key must be the only one. Raises the errors of the domain, and
        `ContentGone`; the uploads are then unchanged.
        """
        first = uploads[0]
        ready = [upload.next_parts() for upload in uploads]
        recorded: list[Recorded] = []

        def work(conn: Connection, unit: UnitOfWork) -> Result:
            recorded.clear()
            unit.names.look_up(FILE, [name for each in uploads if (name := each.name_to_look_up)])
            if not first.intent.dry_run:
                parts = [stored.part for some in ready for stored in some]
                check_stored(conn, self.blobs, self.org_id, parts)
            recorded.extend(
                upload.record(conn, unit, some) for upload, some in zip(uploads, ready, strict=True)
            )
            return recorded[0].result or {}

        intent = first.keyed_intent if first.is_whole else first.intent.unkeyed()
        try:
            result = record_and_mark(self._handler, self.blobs, self.org_id, intent, work)
        except ContentGone as gone:
            self.generations |= gone.generations
            raise
        if not recorded:  # the idempotency key was used before
            first.result = result
            return
        for upload, some, each in zip(uploads, ready, recorded, strict=True):
            upload.on_commit(some, each)


def dry_run(
    handler: Handler, org_id: UUID, work: Callable[[Connection, UnitOfWork], object], intent: Intent
) -> Result:
    """Run `work` and roll back. Return the stored result if the intent's idempotency key was used
    for this request before, or an empty result.
    """

    def discarded(conn: Connection, unit: UnitOfWork) -> Result:
        work(conn, unit)
        return {}

    return handler.transact(org_id, intent.as_dry_run(), discarded)


def _room_bytes(organization: Organization) -> int | None:
    """Return the number of bytes that the quota has left: None if unlimited, negative if nothing
    can be added.
    """
    if organization.status is not OrganizationStatus.ACTIVE:
        return -1
    if organization.quota_bytes is None:
        return None
    return organization.quota_bytes - organization.used_bytes
