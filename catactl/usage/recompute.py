"""Correct storage usage that drifted."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import Connection, Engine

from catactl.domain.organization import CorrectStorageUsage
from catactl.errors import Busy, ClockBehindLog, CorruptLog
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.rebuild import rebuild
from catactl.usage.check import check, compare
from catactl.usage.comparison import Comparison


def recompute(
    handler: Handler, engine: Engine, org_ids: Sequence[UUID], intent: Intent
) -> Iterator[Comparison]:
    """Check each organization and correct the ones that drifted, in one transaction each.

    A snapshot finds the candidates, so that only they are locked. Each candidate is compared again
    under its lock, and only this comparison is used. So a second recomputation, even at the same
    time, corrects nothing. If an organization stays locked for too long, or its events cannot be
    read, its comparison has the error, and the others are still corrected.
    """
    for comparison in check(engine, org_ids):
        if comparison.drifted and not comparison.is_unreadable:
            comparison = _recompute_one(handler, comparison, intent)
        yield comparison


def _recompute_one(handler: Handler, candidate: Comparison, intent: Intent) -> Comparison:
    """Return the comparison under the lock, with its correction.

    If the idempotency key was used before, nothing is compared, and the candidate is returned.
    """
    comparison = candidate

    def inspect(conn: Connection) -> CorrectStorageUsage | None:
        nonlocal comparison
        (comparison,) = compare(conn, [candidate.org_id])
        return _correct(conn, comparison)

    try:
        handler.inspect_and_handle(candidate.org_id, intent, inspect)
    except (Busy, CorruptLog, ClockBehindLog) as error:
        comparison.error = error
    if intent.dry_run or comparison.error:
        comparison.correction = None
    return comparison


def _correct(conn: Connection, comparison: Comparison) -> CorrectStorageUsage | None:
    """Rebuild differing rows from their events. Return the command that corrects the running
    figures, if they differ from the file events.
    """
    if comparison.rows_differ or comparison.files_differ:
        comparison.correction = "rebuilt"
        rebuild(conn, comparison.org_id)
        (rebuilt,) = compare(conn, [comparison.org_id])
        if rebuilt.rows_differ or rebuilt.files_differ:
            raise CorruptLog("rebuilt rows still differ from the events", "catactl event verify")
    if not comparison.events_differ:
        return None
    comparison.correction = "event"
    exact = comparison.from_file_events
    return CorrectStorageUsage(
        used_bytes=exact.used_bytes,
        file_count=exact.file_count,
        part_count=exact.part_count,
        compared="running figure with file events",
        unpaired_events=comparison.unpaired_events,
    )
