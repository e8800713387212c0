"""Mark an organization's content with the head of the log that recorded content last.

A copy of a database has the same ids as the original and refers to the same content. So a sweep by
one would remove content that only the other refers to. Therefore each transaction that records
content first leaves its log's head beside the content, under the log's lock and before the commit.
A sweep continues only if its own log contains that head: then that log, or an earlier state of it,
recorded content last.

If another database recorded content before, with a head that is not in the log, the mark names no
log until one log claims the content, and no other log may sweep. A transaction replaces a mark that
the same database left for a transaction that was not committed.
"""

from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import NO_LOGS_MARK, BlobStore, Mark
from catactl.domain.file import PartUploaded
from catactl.errors import CatactlError, ContentOfAnotherLog
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import UnitOfWork
from catactl.store import event_log
from catactl.store.codec import EVENT_NAMES
from catactl.store.event_log import Head
from catactl.store.idempotency import Result
from catactl.store.server_status import database_name

_PART_UPLOADED = EVENT_NAMES[PartUploaded]
_NAME = "catactl.database_name"


def record_and_mark(
    handler: Handler,
    blobs: BlobStore,
    org_id: UUID,
    intent: Intent,
    work: Callable[[Connection, UnitOfWork], Result],
) -> Result:
    """Run `work` as `Handler.transact` does, and mark the content before the commit.

    If the transaction fails, the log's actual head replaces the mark. A process that is killed
    between mark and commit leaves a mark that no log contains, until content is recorded again.
    """
    mark: Mark | None = None

    def work_and_mark(conn: Connection, unit: UnitOfWork) -> Result:
        nonlocal mark
        result = work(conn, unit)
        if not intent.dry_run and any(each.type == _PART_UPLOADED for each in unit.events):
            mark = _head(conn, unit)
            earlier = blobs.read_mark(org_id)
            is_ours = earlier is None or earlier.database == mark.database
            is_shared = not is_ours and _is_not_in_log(conn, org_id, earlier)
            blobs.mark(org_id, NO_LOGS_MARK if is_shared else mark)
        return result

    try:
        return handler.transact(org_id, intent, work_and_mark)
    except BaseException:
        if mark is not None:
            with suppress(CatactlError):
                claim(handler, blobs, org_id, intent, uncommitted=mark)
        raise


def check_mark(conn: Connection, blobs: BlobStore, org_id: UUID) -> None:
    """Raise `ContentOfAnotherLog` if another log recorded content last.

    Call it under the lock of the log, because otherwise the mark may belong to a transaction in
    progress.
    """
    if is_another_logs(conn, blobs, org_id):
        raise ContentOfAnotherLog(
            f"another log recorded the content of organization {org_id} last: the mark beside the "
            "content does not name an event of this log",
            "sweep from the database that owns the content; if this one does: "
            "catactl blob gc --claim; see: catactl help content",
        )


def is_another_logs(conn: Connection, blobs: BlobStore, org_id: UUID) -> bool:
    """Return whether another log recorded content last.

    Without the lock it is also true while an upload to this log is in progress.
    """
    return _is_not_in_log(conn, org_id, blobs.read_mark(org_id))


def _is_not_in_log(conn: Connection, org_id: UUID, mark: Mark | None) -> bool:
    """Return whether there is a mark, and the log does not contain its head."""
    if mark is None:
        return False
    return not event_log.holds(conn, org_id, Head(mark.position, None, mark.hash))


def claim(
    handler: Handler,
    blobs: BlobStore,
    org_id: UUID,
    intent: Intent,
    uncommitted: Mark | None = None,
) -> None:
    """Replace any mark of an organization's content with the log's head. With `uncommitted`,
    replace only this mark, and only if its transaction was not committed.
    """

    def work(conn: Connection, unit: UnitOfWork) -> Result:
        if uncommitted is None or (
            blobs.read_mark(org_id) == uncommitted and _is_not_in_log(conn, org_id, uncommitted)
        ):
            blobs.mark(org_id, _head(conn, unit))
        return {}

    handler.transact(org_id, intent.as_dry_run().unkeyed(), work)


def _head(conn: Connection, unit: UnitOfWork) -> Mark:
    name = conn.info.get(_NAME)
    if name is None:
        name = conn.info[_NAME] = database_name(conn)
    return Mark(unit.head.position, unit.head.hash, name)
