"""Uploading what can be read only once and in order: standard input."""

import os
import select
import stat
from collections.abc import Iterable, Iterator

from catactl.blobs.store import CHUNK_BYTES, Chunk, Measure, measure
from catactl.content import part_ranges
from catactl.content.recording import (
    PendingFile,
    Recorder,
    StoredPart,
    Swept,
    content_of,
    copied,
    is_key_used,
    of_content,
    stored_part,
    swept_each_time,
)
from catactl.content.sources import SourceError, unreadable
from catactl.content.upload import Meter, Order
from catactl.store.idempotency import Result
from catactl.values.names import check_file_name

STANDARD_INPUT = "-"
_ATTEMPTS = 3


class Stream:
    """Standard input, or another stream: read once, in order, cut into parts as it comes."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._buffer = memoryview(bytearray(CHUNK_BYTES))
        self._ahead = self._buffer[:0]

    def is_over(self) -> bool:
        """Whether nothing is left; waits for the next byte to know."""
        if not self._ahead:
            self._ahead = self._receive()
        return not self._ahead

    def read(self, size_bytes: int | None = None) -> Iterator[memoryview]:
        """Yield at most that many bytes, or all that is left."""
        while (size_bytes is None or size_bytes > 0) and not self.is_over():
            chunk = self._ahead if size_bytes is None else self._ahead[:size_bytes]
            self._ahead = self._ahead[len(chunk) :]
            yield chunk
            if size_bytes is not None:
                size_bytes -= len(chunk)

    def remaining_bytes(self) -> int:
        """Return the bytes left in a regular file; 0 for a pipe, whose size is unknown."""
        try:
            status = os.fstat(self._file)
            if not stat.S_ISREG(status.st_mode):
                return 0
            return status.st_size - os.lseek(self._file, 0, os.SEEK_CUR)
        except OSError as error:
            raise SourceError(unreadable(STANDARD_INPUT, error)) from error

    def _receive(self) -> memoryview:
        while True:
            try:
                return self._buffer[: os.readv(self._file, [self._buffer])]
            except BlockingIOError:  # because another process may make a shared pipe non-blocking
                select.select([self._file], [], [])
            except OSError as error:
                raise SourceError(unreadable(STANDARD_INPUT, error)) from error


def upload_stream(
    recorder: Recorder, stream: Stream, name: str, order: Order, meter: Meter
) -> Result:
    """Upload what a stream holds, part after part as it comes; return the row of its file.

    Raises what is wrong with it; what was recorded stays, not completed.
    """
    name = check_file_name(name)
    intent = order.intent(name)
    draft = PendingFile(
        name, intent.unkeyed()
    )  # because a key needs the content, which is not read yet
    recorder.look_up([draft])
    meter.begin(name)
    known = draft.known
    number = 0
    whole = Measure()
    try:
        if is_key_used(recorder.engine, recorder.org_id, intent):
            draft.intent = of_content(intent, measure(metered(stream.read(), meter)))
        recorder.ask_for_room(draft, 0)
        if draft.row is not None:
            return draft.row
        sizes = part_ranges.growing_sizes(known, order.part_bytes)
        if known is not None and not known.completed:
            draft.shrinking = {part.number for part in known.parts}
        part_ranges.check_capacity(name, stream.remaining_bytes(), known, order.part_bytes)
        for number, size_bytes in enumerate(sizes, start=1):
            if size_bytes > 0 and stream.is_over():
                number -= 1
                break
            chunks = metered(stream.read(size_bytes), meter)
            if intent.idempotency_key is not None:
                chunks = whole.passing(chunks)
            if draft.intent.dry_run:
                content = measure(chunks)
            else:
                content = recorder.blobs.put(recorder.org_id, chunks, recorder.generations)
            part = stored_part(number, content)
            there = known.parts.get(number) if known is not None else None
            if known is not None and known.completed and there and not there.has_same_content(part):
                raise part_ranges.other_content(known)
            draft.ready.append(StoredPart(part, skipped=part == there))
            if draft.is_recordable:
                _record(recorder, draft)
        if known is not None and known.completed:
            if number < known.parts.count or not stream.is_over():
                raise part_ranges.other_content(known)
        elif not stream.is_over():
            raise part_ranges.too_large(name, known, order.part_bytes)
        part_ranges.check_no_more(known, number)
        draft.is_whole = True
        draft.intent = of_content(intent, whole.content)
        _record(recorder, draft)
    except SourceError as error:
        raise error.error from error
    assert draft.row is not None
    return draft.row


def _record(recorder: Recorder, draft: PendingFile) -> None:
    """Record the ready parts; copy content that a sweep gave up to an unused address."""
    for attempts_left in reversed(range(_ATTEMPTS)):
        stored_in = dict(recorder.generations)
        try:
            recorder.record([draft])
            return
        except Swept as swept:
            if not attempts_left:
                break
            for part, _ in draft.ready:
                if part.sha256 in swept.digests:
                    content = content_of(part, stored_in)
                    copied(recorder.blobs, recorder.org_id, content, swept.generations)
            swept.clear_up(recorder.blobs, recorder.org_id)
    raise swept_each_time()


def metered(chunks: Iterable[memoryview], meter: Meter) -> Iterator[Chunk]:
    for chunk in chunks:
        yield chunk
        meter.advance(len(chunk))
