"""Warn of logs that are ahead of the clock, and return by how many seconds, for results."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from catactl.cli.framework.context import Context
from catactl.store import clock, name_lookup


class LogsAhead:
    """The logs that are ahead of the clock, among all or some organizations."""

    def __init__(self, conn: Connection, org_ids: Sequence[UUID] | None) -> None:
        self._conn = conn
        self._seconds = clock.logs_ahead(conn, org_ids)

    def warn(self, context: Context) -> None:
        """Print a warning with the log that is furthest ahead and the number of the others."""
        if not self._seconds:
            return
        org_id, seconds = max(self._seconds.items(), key=lambda each: each[1])
        name = name_lookup.organization_name(self._conn, org_id) or str(org_id)
        others = len(self._seconds) - 1
        more = f", and {others:,} more are ahead" if others else ""
        context.log.warning(
            f"{clock.ahead_in_words(self._conn, name, seconds)}{more}: usage counts only from the "
            f"dates of its events; {clock.hint(name)}"
        )

    def seconds(self, org_id: str) -> int:
        """Return the whole seconds by which an organization's log is ahead, or 0."""
        return self._seconds.get(UUID(org_id), 0)
