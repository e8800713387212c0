"""Uploads that are not recorded yet: a file, or a part of a file."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import Measure
from catactl.content import part_ranges
from catactl.content.source import SourceError
from catactl.content.stored_parts import StoredPart
from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import CompleteFile, CreateFile, File, UploadPart
from catactl.domain.parts import Part, Parts
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import Outcome, UnitOfWork
from catactl.results.files import file_result
from catactl.store.idempotency import Result
from catactl.wiring.flow import FILE

# Used instead of the digest of content that is not read yet, when only the rules are checked.
ANY_SHA256 = "0" * 64


class Recorded(NamedTuple):
    """The outcome of recording parts. `result` is None if the upload is not finished."""

    file_id: UUID
    events: list[str]
    result: Result | None


@dataclass(kw_only=True)
class PendingUpload(ABC):
    """An upload that is not recorded yet.

    `ready` holds the parts that are stored and not recorded. `is_whole` is true once no part is
    missing. `result` is None until the upload is finished. If the upload has an idempotency key,
    `measure` measures its content, and `digests` holds the digests of the parts that were read
    before the upload.
    """

    intent: Intent
    ready: list[StoredPart] = field(default_factory=list)
    is_whole: bool = False
    result: Result | None = None
    measure: Measure = field(default_factory=Measure)
    digests: dict[int, str] = field(default_factory=dict)

    @property
    def keyed_intent(self) -> Intent:
        """The intent whose request under the idempotency key includes the content."""
        if self.intent.idempotency_key is None:
            return self.intent
        assert self.intent.request is not None
        content = self.measure.content
        read = {"size_bytes": content.size_bytes, "sha256": content.sha256}
        return replace(self.intent, request={**self.intent.request, **read})

    @property
    def name_to_look_up(self) -> str | None:
        """The name of a file whose id is not known."""
        return None

    def existing_part(self, number: int) -> Part | None:
        """Return the part of the log that can be kept if its content is the same."""
        return None

    def next_parts(self) -> list[StoredPart]:
        """Return the ready parts to record now."""
        return self.ready

    @abstractmethod
    def check_part(self, part: Part) -> None:
        """Raise `SourceError` if the part can never be recorded."""

    @abstractmethod
    def check_rules(self, conn: Connection, unit: UnitOfWork, size_bytes: int) -> None:
        """Run commands that the rules refuse if they refuse this upload with that size."""

    @abstractmethod
    def record(self, conn: Connection, unit: UnitOfWork, parts: Sequence[StoredPart]) -> Recorded:
        """Run the commands for some ready parts. If the upload is whole, finish it."""

    def on_commit(self, parts: Sequence[StoredPart], recorded: Recorded) -> None:
        """Note that the parts were recorded."""
        self.result = recorded.result


@dataclass(kw_only=True)
class PendingFile(PendingUpload):
    """A file that is uploaded whole. It is created, or continues the live file of its name.

    `existing` is that file as it was when the upload began, `room_bytes` the bytes that the quota
    had left then; None means unlimited. `recorded` holds the recorded parts by number. `shrinking`
    holds the numbers of existing parts that may become smaller and are not recorded: see `Plan`.

    `result` is the file with its position and all events, its `outcome` (uploaded, resumed or
    unchanged), the bytes that were stored (`stored_bytes`) and the bytes that the blob store
    already had (`skipped_bytes`).
    """

    name: str
    existing: File | None = None
    file_id: UUID | None = None
    room_bytes: int | None = None
    recorded: dict[int, StoredPart] = field(default_factory=dict)
    shrinking: set[int] = field(default_factory=set)
    events: list[str] = field(default_factory=list)

    @property
    def name_to_look_up(self) -> str | None:
        return self.name if self.file_id is None else None

    @property
    def is_recordable(self) -> bool:
        """True if there is something to record. A dry run records everything at once, because it
        commits nothing.
        """
        if self.result is not None:
            return False
        return self.is_whole or (bool(self.next_parts()) and not self.intent.dry_run)

    def existing_part(self, number: int) -> Part | None:
        return self.existing.parts.get(number) if self.existing is not None else None

    def next_parts(self) -> list[StoredPart]:
        """Return the ready parts to record now. Parts that shrink the file come first."""
        if not self.shrinking:
            return self.ready
        if self.shrinking <= {stored.part.number for stored in self.ready}:
            return sorted(self.ready, key=self._grows)
        return [stored for stored in self.ready if not self._grows(stored)]

    def _grows(self, stored: StoredPart) -> bool:
        return part_ranges.grows(self.existing, stored.part.number, stored.part.size_bytes)

    def check_part(self, part: Part) -> None:
        if self.existing is None or not self.existing.completed:
            return
        existing = self.existing_part(part.number)
        if existing is not None and not existing.has_same_content(part):
            raise SourceError(part_ranges.other_content_error(self.existing))

    def growth_bytes(self, size_bytes: int) -> int:
        """Return by how much the organization grows if the file becomes that large."""
        return size_bytes - (self.existing.parts.size_bytes if self.existing is not None else 0)

    def seems_to_fit(self, size_bytes: int) -> bool:
        return self.room_bytes is None or self.growth_bytes(size_bytes) <= self.room_bytes

    def check_rules(self, conn: Connection, unit: UnitOfWork, size_bytes: int) -> None:
        """Run the upload of the file as a single part. Check no rules for a complete file, because
        it may be the same file.
        """
        file_id, _ = self._find_or_create(unit)
        if not is_complete(unit, file_id):
            first = self.existing_part(1)
            part_bytes = self.growth_bytes(size_bytes) + (first.size_bytes if first else 0)
            unit.run(CommandEnvelope(file_id, UploadPart(1, max(0, part_bytes), ANY_SHA256)))

    def record(self, conn: Connection, unit: UnitOfWork, parts: Sequence[StoredPart]) -> Recorded:
        file_id, events = self._find_or_create(unit)
        for part, *_ in parts:
            events += event_types(unit.run(CommandEnvelope(file_id, upload_command(part))))
        if not self.is_whole:
            return Recorded(file_id, events, None)
        all_parts = self.recorded | _by_number(parts)
        complete = CompleteFile(Parts.of(all_parts[number].part for number in sorted(all_parts)))
        outcome = unit.run(CommandEnvelope(file_id, complete))
        events += event_types(outcome)
        return Recorded(file_id, events, self._result(outcome, self.events + events, all_parts))

    def _result(
        self, outcome: Outcome, events: list[str], parts: Mapping[int, StoredPart]
    ) -> Result:
        done = "uploaded" if self.existing is None else "resumed"
        skipped_bytes = sum(each.part.size_bytes for each in parts.values() if each.skipped)
        result: Result = {
            **file_result(outcome.org_id, outcome.stream_id, outcome.state, outcome.version),
            "position": outcome.position,
            "events": events,
            "outcome": done if events else "unchanged",
            "stored_bytes": sum(each.part.size_bytes for each in parts.values()) - skipped_bytes,
            "skipped_bytes": skipped_bytes,
        }
        return result | {"dry_run": True} if outcome.dry_run else result

    def on_commit(self, parts: Sequence[StoredPart], recorded: Recorded) -> None:
        self.file_id = recorded.file_id
        self.events += recorded.events
        done = _by_number(parts)
        self.recorded |= done
        self.shrinking -= done.keys()
        self.ready = [each for each in self.ready if each.part.number not in done]
        super().on_commit(parts, recorded)

    def _find_or_create(self, unit: UnitOfWork) -> tuple[UUID, list[str]]:
        """Return the id of the file, and the events if it was created here. Another uploader may
        have created it since the lookup.
        """
        file_id = self.file_id or unit.names.find(FILE, self.name)
        if file_id is not None:
            return file_id, []
        file_id = unit.new_id()
        unit.expect_new(FILE, file_id)
        create = CreateFile(self.name, unit.now)
        return file_id, event_types(unit.run(CommandEnvelope(file_id, create)))


def _by_number(parts: Sequence[StoredPart]) -> dict[int, StoredPart]:
    return {each.part.number: each for each in parts}


def upload_command(part: Part) -> UploadPart:
    return UploadPart(part.number, part.size_bytes, part.sha256, part.stored)


def is_complete(unit: UnitOfWork, file_id: UUID) -> bool:
    file = unit.file(file_id)
    return file is not None and file.completed


def event_types(outcome: Outcome) -> list[str]:
    return [recorded.type for recorded in outcome.events]
