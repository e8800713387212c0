"""Uploading what can be read only once and in order: standard input."""

import os
from collections.abc import Iterable, Iterator
from itertools import repeat

from catactl.blobs.store import CHUNK_BYTES, Chunk, Content, measure
from catactl.content import parting
from catactl.content.parting import DEFAULT_PART_BYTES
from catactl.content.recording import (
    Draft,
    Recorder,
    StoredPart,
    Swept,
    copied,
    stored_part,
    swept_each_time,
)
from catactl.content.sources import SourceError, unreadable
from catactl.content.upload import Meter, Order
from catactl.domain.file import File
from catactl.domain.names import check_file_name
from catactl.domain.parts import MAX_PART_NUMBER
from catactl.errors import InvalidValue
from catactl.store.idempotency import Result

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

    def _receive(self) -> memoryview:
        try:
            return self._buffer[: os.readv(self._file, [self._buffer])]
        except OSError as error:
            raise SourceError(unreadable(STANDARD_INPUT, error)) from error


def upload_stream(
    recorder: Recorder, stream: Stream, name: str, order: Order, meter: Meter
) -> Result:
    """Upload what a stream holds, part after part as it comes; return the row of its file.

    Raises what is wrong with it; what was recorded stays, not completed.
    """
    draft = Draft(check_file_name(name), order.intent(name))
    recorder.look_up([draft])
    recorder.ask_for_room(draft, 0)
    meter.begin(name, None)
    known = draft.known
    number = 0
    try:
        for number, size_bytes in enumerate(_sizes(known, order.part_bytes), start=1):
            if draft.row is not None or stream.is_over():
                number -= 1
                break
            chunks = metered(stream.read(size_bytes), meter)
            if draft.intent.dry_run:
                content = measure(chunks)
            else:
                content = recorder.blobs.put(recorder.org_id, chunks, recorder.generations)
            part = stored_part(number, content)
            there = known.parts.get(number) if known is not None else None
            if known is not None and known.completed and there and not there.has_content_of(part):
                raise parting.other_content(known)
            draft.ready.append(StoredPart(part, skipped=part == there))
            if draft.is_recordable:
                _record(recorder, draft, content)
        if draft.row is None:
            _check_end(known, number, stream, name)
            draft.is_whole = True
            recorder.record([draft])
    except SourceError as error:
        raise error.error from error
    assert draft.row is not None
    return draft.row


def _record(recorder: Recorder, draft: Draft, content: Content) -> None:
    """Record a part; copy its content to where no sweep gave it up, if one did."""
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            recorder.record([draft])
            return
        except Swept as swept:
            if not attempts_left:
                break
            content = copied(recorder.blobs, recorder.org_id, content, swept.generations)
            swept.clear_up(recorder.blobs, recorder.org_id)
    raise swept_each_time()


def _sizes(known: File | None, part_bytes: int | None) -> Iterator[int]:
    """The sizes of the parts to cut; a complete file is cut as it was."""
    if known is not None and known.completed:
        return (part.size_bytes for part in known.parts)
    return repeat(part_bytes or DEFAULT_PART_BYTES, MAX_PART_NUMBER)


def _check_end(known: File | None, count: int, stream: Stream, name: str) -> None:
    """Raise unless the stream ended where the file does."""
    if known is not None and known.completed:
        if count < known.parts.count or not stream.is_over():
            raise parting.other_content(known)
    elif not stream.is_over():
        raise InvalidValue(
            f"{name!r} is over {MAX_PART_NUMBER:,} parts",
            "cut it into larger ones: --part-size SIZE",
        )
    parting.check_no_more(known, count)


def metered(chunks: Iterable[memoryview], meter: Meter) -> Iterator[Chunk]:
    for chunk in chunks:
        yield chunk
        meter.advance(len(chunk))
