"""From content that is safe to events that point at it.

An event never points at nothing: content is stored first, and under the lock of the organization's
log, in the transaction that records it, it is seen to be there, at an address that no sweep has
given up. If one has, it is stored again at the next: see `sweep`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine

from catactl.blobs.store import BlobStore, Content, address_of
from catactl.content.mark import record_and_mark
from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import CompleteFile, CreateFile, File, UploadPart
from catactl.domain.organization import Organization, OrganizationStatus
from catactl.domain.parts import Part, Parts
from catactl.errors import Busy, CatactlError, ContentMissing
from catactl.handling.handler import Handler, Intent, Outcome
from catactl.handling.unit_of_work import UnitOfWork
from catactl.projections.swept_content import generations
from catactl.queries import resources
from catactl.store import idempotency, name_lookup
from catactl.store.idempotency import Result
from catactl.store.sql.engine import reading
from catactl.store.tables import files
from catactl.wiring.flow import FILE, ORGANIZATION

# Stands for content that is not read yet, when only the rules are asked.
ANY_SHA256 = "0" * 64


class Swept(Exception):
    """Content is not there, or was given up between being stored and being recorded.

    `generations` are those that it has to be stored in.
    """

    def __init__(self, digests: set[str], generations: Mapping[str, int]) -> None:
        super().__init__(f"{len(digests)} blobs are gone")
        self.digests = digests
        self.generations = generations

    def clear_up(self, blobs: BlobStore, org_id: UUID) -> None:
        """Remove what was stored at addresses that were given up: nobody ever relies on these."""
        given_up = [
            address_of(sha256, generation)
            for sha256 in self.digests
            for generation in range(self.generations.get(sha256, 0))
        ]
        with suppress(CatactlError):  # the next sweep removes it as well
            blobs.delete(org_id, given_up)


class StoredPart(NamedTuple):
    """A part whose content is safe. `skipped`: log and store had it already."""

    part: Part
    skipped: bool


@dataclass
class PendingFile:
    """A file on its way into the log.

    `digests` are the digests of its parts if the whole file was read before the upload, for its
    idempotency key. `known` is the file as it was when the draft was made, and `room_bytes` the
    bytes that the quota left then (None: unlimited). `ready` holds parts that are stored and not
    yet recorded, `parts` holds the recorded ones. `is_whole` is true once no part is missing, so
    that the file can be completed. `row` is the result: the file with its position and all events,
    `outcome` (uploaded, resumed or unchanged), the bytes that were put into the blob store
    (`stored_bytes`) and the bytes that were there already (`skipped_bytes`).

    `shrinking` holds the numbers of known parts that may become smaller and are not recorded yet.
    Parts that grow are recorded after them, because the quota may have no room for them before.
    """

    name: str
    intent: Intent
    known: File | None = None
    file_id: UUID | None = None
    room_bytes: int | None = None
    ready: list[StoredPart] = field(default_factory=list)
    parts: dict[int, Part] = field(default_factory=dict)
    shrinking: set[int] = field(default_factory=set)
    stored_bytes: int = 0
    skipped_bytes: int = 0
    events: list[str] = field(default_factory=list)
    is_whole: bool = False
    row: Result | None = None
    digests: dict[int, str] = field(default_factory=dict)

    @property
    def is_recordable(self) -> bool:
        """Whether there is something to record. A dry run does all at once, as it keeps nothing."""
        if self.row is not None:
            return False
        return self.is_whole or (bool(self.next_parts()) and not self.intent.dry_run)

    def next_parts(self) -> list[StoredPart]:
        """Return the ready parts to record now. Parts that shrink the file come first."""
        if not self.shrinking:
            return self.ready
        if self.shrinking <= {stored.part.number for stored in self.ready}:
            return sorted(self.ready, key=self._grows)
        return [stored for stored in self.ready if not self._grows(stored)]

    def _grows(self, stored: StoredPart) -> bool:
        return self.grows(stored.part.number, stored.part.size_bytes)

    def grows(self, number: int, size_bytes: int) -> bool:
        """Return whether a part of that size is larger than the known part of its number."""
        known = self.known.parts.get(number) if self.known is not None else None
        return known is None or size_bytes > known.size_bytes

    def counted_bytes(self, parts: Sequence[StoredPart]) -> tuple[int, int]:
        """Return the bytes stored and the bytes skipped so far, with those of the given parts."""
        skipped_bytes = sum(part.size_bytes for part, skipped in parts if skipped)
        stored_bytes = sum(part.size_bytes for part, skipped in parts if not skipped)
        return self.stored_bytes + stored_bytes, self.skipped_bytes + skipped_bytes

    def growth_bytes(self, size_bytes: int) -> int:
        """How much more the organization would hold if the file became as large."""
        return size_bytes - (self.known.parts.size_bytes if self.known is not None else 0)

    def seems_to_fit(self, size_bytes: int) -> bool:
        return self.room_bytes is None or self.growth_bytes(size_bytes) <= self.room_bytes


class Recorder:
    """Records what was uploaded to an organization. `generations` are those its content is in, as
    far as they are known; what is not is found out when it is recorded.
    """

    def __init__(self, handler: Handler, engine: Engine, blobs: BlobStore, org_id: UUID) -> None:
        self.blobs = blobs
        self.org_id = org_id
        self.generations: dict[str, int] = {}
        self._handler = handler
        self.engine = engine
        self._asked_bytes = 0

    def look_up(self, drafts: Sequence[PendingFile]) -> None:
        """See what is known of the files: each is new, or goes on with what lives by its name."""
        with reading(self.engine) as conn:
            names = [draft.name for draft in drafts]
            found = name_lookup.find_all_live(conn, files, self.org_id, names)
            organization = ORGANIZATION.store.get_by_id(conn, self.org_id, self.org_id)
            for draft in drafts:
                draft.room_bytes = _room_bytes(organization.state) if organization else None
                draft.file_id = found.get(draft.name)
                if draft.file_id is not None:
                    stored = FILE.store.get_by_id(conn, self.org_id, draft.file_id)
                    draft.known = stored.state if stored is not None else None
            digests = {
                part.sha256
                for draft in drafts
                if draft.known is not None
                for part in draft.known.parts
            }
            self.generations |= generations(conn, self.org_id, digests)

    def ask_for_room(self, draft: PendingFile, size_bytes: int) -> None:
        """Ask the rules about a whole file as if it were one part, before any of it is stored.

        Raises what they refuse with; a file that is complete is not asked about, since it may be
        the same. A dry run records nothing, so what was asked for before counts as well. If the
        file was uploaded under the same idempotency key, the draft gets its row.
        """
        known = draft.known.parts if draft.known is not None else Parts()
        growth_bytes = draft.growth_bytes(size_bytes)
        first = known.get(1)
        one_part_bytes = growth_bytes + (first.size_bytes if first is not None else 0)
        command = UploadPart(1, max(0, one_part_bytes + self._asked_bytes), ANY_SHA256)

        def work(_conn: Connection, unit: UnitOfWork) -> None:
            file_id, _ = self._find_or_create(unit, draft)
            if not is_complete(unit, file_id):
                unit.run(CommandEnvelope(file_id, command))

        draft.row = ask(self._handler, self.org_id, work, draft.intent) or None
        if draft.intent.dry_run:
            self._asked_bytes += growth_bytes

    def record(self, drafts: Sequence[PendingFile]) -> None:
        """Record what is ready of these files in one transaction, all of it or nothing; complete
        those that are whole.

        A draft under an idempotency key must come alone. Raises what the domain refuses with, and
        `Swept`; the drafts are then as they were.
        """
        first = drafts[0]
        ready = [draft.next_parts() for draft in drafts]
        done: list[tuple[UUID, list[str], Result | None]] = []

        def work(conn: Connection, unit: UnitOfWork) -> Result:
            done.clear()
            unit.look_up(FILE, [draft.name for draft in drafts if draft.file_id is None])
            if not first.intent.dry_run:
                contents = [stored.part for parts in ready for stored in parts]
                see_content(conn, self.blobs, self.org_id, contents)
            done.extend(
                self._run(unit, draft, parts) for draft, parts in zip(drafts, ready, strict=True)
            )
            return done[0][2] or {}

        intent = first.intent if first.is_whole else first.intent.unkeyed()
        try:
            result = record_and_mark(self._handler, self.blobs, self.org_id, intent, work)
        except Swept as swept:
            self.generations |= swept.generations
            raise
        if not done:
            first.row = result  # replayed
        for draft, parts, (file_id, events, row) in zip(drafts, ready, done, strict=False):
            draft.file_id = file_id
            draft.events += events
            draft.stored_bytes, draft.skipped_bytes = draft.counted_bytes(parts)
            recorded = {part.number: part for part, _ in parts}
            draft.parts |= recorded
            draft.shrinking -= recorded.keys()
            draft.ready = [each for each in draft.ready if each.part.number not in recorded]
            draft.row = row

    def _run(
        self, unit: UnitOfWork, draft: PendingFile, ready: Sequence[StoredPart]
    ) -> tuple[UUID, list[str], Result | None]:
        """Run the commands for what is ready of one file; with its row if that completed it."""
        file_id, events = self._find_or_create(unit, draft)
        parts = dict(draft.parts)
        for part, _ in ready:
            parts[part.number] = part
            command = UploadPart(part.number, part.size_bytes, part.sha256, part.stored)
            events += _types(unit.run(CommandEnvelope(file_id, command)))
        if not draft.is_whole:
            return file_id, events, None
        consists_of = Parts.of(parts[number] for number in sorted(parts))
        outcome = unit.run(CommandEnvelope(file_id, CompleteFile(consists_of)))
        events += _types(outcome)
        stored_bytes, skipped_bytes = draft.counted_bytes(ready)
        happened = draft.events + events
        how = "uploaded" if draft.known is None else "resumed"
        row = resources.file(self.org_id, file_id, outcome.state, outcome.version)
        row |= {
            "position": outcome.position,
            "events": happened,
            "outcome": how if happened else "unchanged",
            "stored_bytes": stored_bytes,
            "skipped_bytes": skipped_bytes,
        }
        return file_id, events, row | {"dry_run": True} if outcome.dry_run else row

    def _find_or_create(self, unit: UnitOfWork, draft: PendingFile) -> tuple[UUID, list[str]]:
        """Return the file's id: as known, as another uploader made it meanwhile, or made here."""
        file_id = draft.file_id or unit.find_live(FILE, draft.name)
        if file_id is not None:
            return file_id, []
        file_id = unit.new_id()
        unit.expect_new(FILE, file_id)
        return file_id, _types(unit.run(CommandEnvelope(file_id, CreateFile(draft.name, unit.now))))


def _room_bytes(organization: Organization) -> int | None:
    """How much more an organization takes: None for any amount, less than 0 for nothing at all."""
    if organization.status is not OrganizationStatus.ACTIVE:
        return -1
    if organization.quota_bytes is None:
        return None
    return organization.quota_bytes - organization.used_bytes


def is_complete(unit: UnitOfWork, file_id: UUID) -> bool:
    file = unit.file(file_id)
    return file is not None and file.completed


def _types(outcome: Outcome) -> list[str]:
    return [recorded.type for recorded in outcome.events]


def stored_part(number: int, content: Content) -> Part:
    return Part(number, content.size_bytes, content.sha256, stored=True)


def see_content(conn: Connection, blobs: BlobStore, org_id: UUID, parts: Collection[Part]) -> None:
    """Raise `Swept` unless the content of all these parts is there, where no sweep gave it up.

    Call it under the organization's lock.
    """
    now_in = generations(conn, org_id, {part.sha256 for part in parts})
    gone = blobs.missing(org_id, {content_of(part, now_in) for part in parts})
    if gone:
        raise Swept({content.sha256 for content in gone}, now_in)


def copied(
    blobs: BlobStore, org_id: UUID, content: Content, generations: Mapping[str, int]
) -> Content:
    """Store again what cannot be read again, from where it was stored; raise `Busy` if that is
    gone.
    """
    try:
        return blobs.put(org_id, blobs.open(org_id, content.address), generations)
    except ContentMissing as error:
        raise swept_each_time() from error


def swept_each_time() -> Busy:
    return Busy("content was swept each time before it was recorded", "run it again")


def content_of(part: Part, generations: Mapping[str, int]) -> Content:
    return Content(part.sha256, part.size_bytes, generations.get(part.sha256, 0))


def of_content(intent: Intent, content: Content) -> Intent:
    """Return the intent with the content as part of its request, if it has an idempotency key."""
    if intent.idempotency_key is None:
        return intent
    assert intent.request is not None
    read = {"size_bytes": content.size_bytes, "sha256": content.sha256}
    return replace(intent, request={**intent.request, **read})


def is_key_used(engine: Engine, org_id: UUID, intent: Intent) -> bool:
    """Return whether the intent's idempotency key was used before, for any request."""
    key = intent.idempotency_key
    if key is None:
        return False
    with reading(engine) as conn:
        return idempotency.find_answer(conn, org_id, key) is not None


def ask(
    handler: Handler,
    org_id: UUID,
    work: Callable[[Connection, UnitOfWork], Any],
    intent: Intent,
) -> Result:
    """Let the rules say whether they would refuse; nothing is written.

    Returns the stored result if the intent's idempotency key was used for this request before,
    else an empty one.
    """

    def asking(conn: Connection, unit: UnitOfWork) -> Result:
        work(conn, unit)
        return {}

    return handler.transact(org_id, intent.asking(), asking)
