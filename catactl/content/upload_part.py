"""Upload one part of a file that exists."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import BlobStore
from catactl.content.meter import Meter
from catactl.content.part_ranges import UNLIMITED_BYTES, Range
from catactl.content.part_uploader import PartUploader
from catactl.content.pending import (
    ANY_SHA256,
    PendingUpload,
    Recorded,
    event_types,
    is_complete,
    upload_command,
)
from catactl.content.recorder import Recorder
from catactl.content.source import Item, SourceError
from catactl.content.stored_parts import StoredPart
from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import UploadPart
from catactl.domain.parts import Part
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import UnitOfWork
from catactl.results.files import PartWritten, part_written
from catactl.store import name_lookup
from catactl.store.idempotency import Result


@dataclass(kw_only=True)
class PendingPart(PendingUpload):
    """A part of a file that exists. `file` is the name or id of the file."""

    org_id: UUID
    file: str
    number: int
    is_whole: bool = True

    def check_part(self, part: Part) -> None:
        pass

    def check_rules(self, conn: Connection, unit: UnitOfWork, size_bytes: int) -> None:
        file_id = name_lookup.resolve_file(conn, self.org_id, self.file)
        if not is_complete(unit, file_id):  # a complete file may already have this part
            command = UploadPart(self.number, size_bytes, ANY_SHA256, stored=True)
            unit.run(CommandEnvelope(file_id, command))

    def record(self, conn: Connection, unit: UnitOfWork, parts: Sequence[StoredPart]) -> Recorded:
        file_id = name_lookup.resolve_file(conn, self.org_id, self.file)
        ((part, *_),) = parts
        outcome = unit.run(CommandEnvelope(file_id, upload_command(part)))
        result: Result = {**part_written(outcome, self.number)}
        return Recorded(file_id, event_types(outcome), result)


def upload_part(
    handler: Handler,
    blobs: BlobStore,
    org_id: UUID,
    file: str,
    number: int,
    item: Item,
    intent: Intent,
    meter: Meter,
) -> PartWritten:
    """Store the content of one part and record it. Return the part with the events.

    `file` is the name or id of the file. The rules are checked first, with the size if it is known,
    so that content that cannot be recorded is not stored. Raises the errors of the domain and of
    the item, and `Busy` if sweeps removed the content each time.
    """
    upload = PendingPart(intent=intent, org_id=org_id, file=file, number=number)
    recorder = Recorder(handler, blobs, org_id)
    parts = PartUploader(recorder, meter)
    try:
        with closing(item.open()) as source:
            size_bytes = source.size_bytes
            part_range = Range(number, 0, UNLIMITED_BYTES if size_bytes is None else size_bytes)
            meter.begin(item.path)
            intent_to_check = parts.check_key(upload, source, [part_range])
            recorder.check_rules(upload, size_bytes or 0, intent_to_check)
            if upload.result is None:
                upload.ready.append(parts.store(upload, source, part_range))
                parts.record(upload, source)
    except SourceError as error:
        raise error.error from error
    assert upload.result is not None, "a recorded part has a result"
    return cast(PartWritten, upload.result)
