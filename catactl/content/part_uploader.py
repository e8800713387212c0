"""Upload parts of sources: check the idempotency key, store the content, record it.

A sweep can remove content between storing and recording. Then the content is stored again, and
recorded in another attempt.
"""

import threading
from collections.abc import Iterator, Sequence

from catactl.blobs.store import Chunk, Content, is_undamaged, measure
from catactl.content.meter import Meter
from catactl.content.part_ranges import UNLIMITED_BYTES, Range
from catactl.content.pending import PendingUpload
from catactl.content.recorder import Recorder
from catactl.content.source import Source, changed_error
from catactl.content.stored_parts import ContentGone, StoredPart, content_of, stored_part
from catactl.domain.parts import Part
from catactl.errors import Busy, ContentMissing
from catactl.handling.intent import Intent

_ATTEMPTS = 10  # in a row, to record content that sweeps remove each time
_FIRST_CHECKED_BYTES = 8 * 1024 * 1024


class Stopped(Exception):
    """Raised in a worker that reads content that is no longer needed."""


class PartUploader:
    """Uploads parts to one organization. Several threads can call `store` at once. With `verify`,
    a part is skipped only if its stored content is undamaged.
    """

    def __init__(self, recorder: Recorder, meter: Meter, *, verify: bool = False) -> None:
        self._recorder = recorder
        self._blobs = recorder.blobs
        self._org_id = recorder.org_id
        self._meter = meter
        self._verify = verify
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let `store` raise `Stopped` in all threads."""
        self._stopped.set()

    def check_key(self, upload: PendingUpload, source: Source, ranges: Sequence[Range]) -> Intent:
        """Return the intent with which to check the rules before the upload.

        A request under an idempotency key includes the content. Therefore read a file before its
        upload, and keep the digests of its parts, so that only this content can be recorded. Read a
        stream first only if the key was used, because a stream cannot be read again.
        """
        intent = upload.intent
        if intent.idempotency_key is None:
            return intent
        if source.size_bytes is None and not self._recorder.is_key_used(intent.idempotency_key):
            return intent.unkeyed()
        for part_range in ranges:
            content = measure(upload.measure.passing(self._metered(source, part_range)))
            upload.digests[part_range.number] = content.sha256
        source.check_unchanged()
        self._meter.advance(-upload.measure.content.size_bytes)
        return upload.keyed_intent

    def store(self, upload: PendingUpload, source: Source, part_range: Range) -> StoredPart:
        """Store the content of a part, unless log and store already have it. A dry run only
        measures it.

        Raises `SourceError` if the source changed.
        """
        offset = part_range.offset
        existing = upload.existing_part(part_range.number)
        is_dry_run = upload.intent.dry_run
        is_stream = source.size_bytes is None
        may_be_the_same = existing is not None and existing.size_bytes == part_range.size_bytes
        if is_dry_run or (may_be_the_same and not is_stream):
            content = measure(self._chunks(upload, source, part_range))
            part = _checked_part(upload, source, part_range.number, content)
            if is_dry_run or (part == existing and self._is_stored(part)):
                return StoredPart(part, part == existing, offset)
            self._meter.advance(-part.size_bytes)
        chunks = self._chunks(upload, source, part_range)
        content = self._blobs.put(self._org_id, chunks, self._recorder.generations)
        part = _checked_part(upload, source, part_range.number, content)
        return StoredPart(part, is_stream and part == existing, offset)

    def record(self, upload: PendingUpload, source: Source) -> None:
        """Record the ready parts of an upload. If sweeps removed content, store it again and retry.

        Raises the errors of the domain, `SourceError` if the source changed, and `Busy` if sweeps
        removed the content each time.
        """
        for attempts_left in reversed(range(_ATTEMPTS)):
            stored_in = dict(self._recorder.generations)
            try:
                self._recorder.record([upload])
                return
            except ContentGone as gone:
                if not attempts_left:
                    raise _swept_error() from gone
                self._store_again(upload, source, gone, stored_in)

    def _store_again(
        self, upload: PendingUpload, source: Source, gone: ContentGone, stored_in: dict[str, int]
    ) -> None:
        """Store content again that a sweep removed. Copy the content of a stream from the swept
        address.
        """
        for stored in {
            each.part.sha256: each for each in upload.ready if each.part.sha256 in gone.digests
        }.values():
            part = stored.part
            if source.size_bytes is None:
                chunks = self._blobs.open(self._org_id, content_of(part, stored_in).address)
            else:
                chunks = source.read(stored.offset, part.size_bytes)
            try:
                content = self._blobs.put(self._org_id, chunks, gone.generations)
            except ContentMissing as error:
                raise _swept_error() from error
            if content.sha256 != part.sha256:
                raise changed_error(source.path)
        upload.ready = [
            each._replace(skipped=False) if each.part.sha256 in gone.digests else each
            for each in upload.ready
        ]
        gone.delete_swept(self._blobs, self._org_id)

    def _is_stored(self, part: Part) -> bool:
        content = content_of(part, self._recorder.generations)
        if self._blobs.missing(self._org_id, [content]):
            return False
        return not self._verify or is_undamaged(self._blobs, self._org_id, content)

    def _chunks(self, upload: PendingUpload, source: Source, part_range: Range) -> Iterator[Chunk]:
        chunks = self._metered(source, part_range)
        if part_range.size_bytes == UNLIMITED_BYTES:
            chunks = self._while_allowed(upload, chunks)
        if source.size_bytes is None and upload.intent.idempotency_key is not None:
            chunks = upload.measure.passing(chunks)
        return chunks

    def _metered(self, source: Source, part_range: Range) -> Iterator[Chunk]:
        for chunk in source.read(part_range.offset, part_range.size_bytes):
            if self._stopped.is_set():
                raise Stopped
            yield chunk
            self._meter.advance(len(chunk))

    def _while_allowed(self, upload: PendingUpload, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks. Check the rules each time the size has doubled, so that endless content
        is refused before it fills the disk.
        """
        size_bytes, next_checked_bytes = 0, _FIRST_CHECKED_BYTES
        for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes >= next_checked_bytes:
                self._recorder.check_rules(upload, size_bytes, upload.intent.unkeyed())
                next_checked_bytes = 2 * size_bytes
            yield chunk


def _checked_part(upload: PendingUpload, source: Source, number: int, content: Content) -> Part:
    """Return the part that was read. Raise `SourceError` if it cannot be recorded."""
    source.check_unchanged()
    if upload.digests.get(number, content.sha256) != content.sha256:
        raise changed_error(source.path)
    part = stored_part(number, content)
    upload.check_part(part)
    return part


def _swept_error() -> Busy:
    return Busy("sweeps removed the content each time before it was recorded", "run it again")
