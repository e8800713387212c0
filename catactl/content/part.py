"""Uploading the content of one part."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import NO_GENERATIONS, BlobStore, Chunk, Content
from catactl.content.mark import record_and_mark
from catactl.content.recording import (
    ANY_SHA256,
    Swept,
    ask,
    copied,
    is_complete,
    of_content,
    see_content,
    stored_part,
    swept_each_time,
)
from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import UploadPart
from catactl.domain.parts import Part
from catactl.handling.handler import Handler, Intent, Outcome
from catactl.handling.unit_of_work import UnitOfWork
from catactl.store.idempotency import Result

_ATTEMPTS = 3
_FIRST_ASKED_BYTES = 8 * 1024 * 1024


def ask_for_room(
    handler: Handler,
    org_id: UUID,
    find_file: Callable[[Connection], UUID],
    number: int,
    size_bytes: int,
    intent: Intent,
) -> Result:
    """Check that the rules allow a part of that size; raise their error otherwise.

    Return the stored result if the intent's idempotency key was used before, else an empty one.
    """

    def asking(conn: Connection, unit: UnitOfWork) -> None:
        file_id = find_file(conn)
        if not is_complete(unit, file_id):  # a complete file may have this very part
            command = UploadPart(number, size_bytes, ANY_SHA256, stored=True)
            unit.run(CommandEnvelope(file_id, command))

    return ask(handler, org_id, asking, intent)


def while_there_is_room(
    chunks: Iterable[Chunk], ask_for_room: Callable[[int], object]
) -> Iterator[Chunk]:
    """Yield the chunks of content whose size is not known in advance.

    Calls `ask_for_room` with the size so far, each time that it has doubled, so that content
    without an end is refused before it fills the disk.
    """
    size_bytes, next_asked_bytes = 0, _FIRST_ASKED_BYTES
    for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes >= next_asked_bytes:
            ask_for_room(size_bytes)
            next_asked_bytes = 2 * size_bytes
        yield chunk


def record_part(
    handler: Handler,
    blobs: BlobStore,
    org_id: UUID,
    find_file: Callable[[Connection], UUID],
    number: int,
    size_bytes: int | None,
    store: Callable[[Mapping[str, int]], Content],
    intent: Intent,
    present: Callable[[Outcome], Result],
    *,
    is_repeatable: bool,
    known: Content | None = None,
) -> Result:
    """Store the content of one part, then record it; return the result of `present`.

    The rules are checked first, with the size if it is known, so that nothing is stored that cannot
    be recorded. In a dry run `store` must store nothing. If a sweep removed the stored content,
    `store` is called again if it `is_repeatable`; otherwise the content is copied. Raises the
    errors of the domain.

    A request under an idempotency key includes the content: `known` is the content if it was read
    before.
    """

    def command(content: Content) -> UploadPart:
        return UploadPart(number, content.size_bytes, content.sha256, stored=True)

    intent_to_ask = of_content(intent, known) if known is not None else intent.unkeyed()
    replayed = ask_for_room(handler, org_id, find_file, number, size_bytes or 0, intent_to_ask)
    if replayed:
        return replayed
    content = store(NO_GENERATIONS)
    intent = of_content(intent, content)
    for attempts_left in reversed(range(_ATTEMPTS)):
        part = stored_part(number, content)

        def work(conn: Connection, unit: UnitOfWork, part: Part = part) -> Result:
            if not intent.dry_run:
                see_content(conn, blobs, org_id, [part])
            uploaded = command(Content(part.sha256, part.size_bytes))
            return present(unit.run(CommandEnvelope(find_file(conn), uploaded)))

        try:
            return record_and_mark(handler, blobs, org_id, intent, work)
        except Swept as swept:
            if not attempts_left:
                break
            if is_repeatable:
                content = store(swept.generations)
            else:
                content = copied(blobs, org_id, content, swept.generations)
            swept.clear_up(blobs, org_id)
    raise swept_each_time()
