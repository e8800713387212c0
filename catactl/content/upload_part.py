"""Upload one part of a file that exists."""

from contextlib import closing
from uuid import UUID

from catactl.blobs.store import BlobStore
from catactl.content.meter import Meter
from catactl.content.part_ranges import UNLIMITED_BYTES, Range
from catactl.content.part_uploader import PartUploader
from catactl.content.pending import PendingPart
from catactl.content.recorder import Recorder
from catactl.content.source import Item, SourceError
from catactl.handling.handler import Handler, Intent
from catactl.store.idempotency import Result


def upload_part(
    handler: Handler,
    blobs: BlobStore,
    org_id: UUID,
    file: str,
    number: int,
    item: Item,
    intent: Intent,
    meter: Meter,
) -> Result:
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
            if upload.row is None:
                upload.ready.append(parts.store(upload, source, part_range))
                parts.record(upload, source)
    except SourceError as error:
        raise error.error from error
    assert upload.row is not None, "a recorded part has a row"
    return upload.row
