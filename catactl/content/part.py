"""Uploading the content of one part."""

from collections.abc import Callable, Mapping
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import FIRST, BlobStore, Content
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
from catactl.domain.decider import Addressed
from catactl.domain.file import UploadPart
from catactl.domain.parts import Part
from catactl.handler import Handler, Intent, Outcome
from catactl.store.idempotency import Result
from catactl.unit_of_work import UnitOfWork

_ATTEMPTS = 3


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
    """Store the content of one part, then record it; return what `present` makes of that.

    The rules are asked first, about its size if that is known, so that what cannot be recorded is
    not stored. With a dry run `store` must store nothing. When a sweep took what it had stored, it
    is called again if it `is_repeatable`, else that is copied. Raises what the domain refuses with.

    An idempotency key stands for the content as well: `known` is the content if it was read before.
    """

    def command(content: Content) -> UploadPart:
        return UploadPart(number, content.size_bytes, content.sha256, stored=True)

    def asking(conn: Connection, unit: UnitOfWork) -> None:
        file_id = find_file(conn)
        if not is_complete(unit, file_id):  # whose part it may be
            unit.run(Addressed(file_id, command(Content(ANY_SHA256, size_bytes or 0))))

    intent_to_ask = of_content(intent, known) if known is not None else intent.unkeyed()
    replayed = ask(handler, org_id, asking, intent_to_ask)
    if replayed:
        return replayed
    content = store(FIRST)
    intent = of_content(intent, content)
    for attempts_left in reversed(range(_ATTEMPTS)):
        part = stored_part(number, content)

        def work(conn: Connection, unit: UnitOfWork, part: Part = part) -> Result:
            if not intent.dry_run:
                see_content(conn, blobs, org_id, [part])
            uploaded = command(Content(part.sha256, part.size_bytes))
            return present(unit.run(Addressed(find_file(conn), uploaded)))

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
