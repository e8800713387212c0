"""Print the SQL statements of a command with their times, and the events that it stored."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from catactl.cli.output.log import Log
from catactl.cli.output.text import counted
from catactl.handling.intent import Intent
from catactl.store.event_log import StoredEvent

_MAX_SQL = 72
_SELECT = re.compile(r"^SELECT (?!count).*? FROM ")
_WRITE = re.compile(r"^(?P<target>INSERT INTO \S+|UPDATE \S+|COPY \S+) .*")


class VerboseLog:
    """Logs and counts the statements and events of a command as they happen."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._statements = 0
        self._sql_ms = 0.0

    def on_statements(self, statements: Sequence[str], milliseconds: float) -> None:
        """Log the statements of one round trip to the database."""
        self._statements += len(statements)
        self._sql_ms += milliseconds
        shortened = list(_merged(map(_shortened, statements)))
        self._log.detail(
            f"sql {milliseconds:.2f} ms: {'; '.join(shortened)}",
            sql=shortened,
            milliseconds=round(milliseconds, 3),
        )

    def on_commit(self, events: Sequence[StoredEvent] | None, intent: Intent) -> None:
        """Log the events of a transaction, with the sagas that reacted to them. None means that an
        earlier run under the idempotency key had done the command.
        """
        if events is None:
            self._log.detail("done before under this idempotency key")
        elif not events:
            self._log.detail("no event was recorded")
        for _, command in groupby(events or (), lambda stored: stored.correlation_id):
            self._log_command(list(command), dry_run=intent.dry_run)
        if events and intent.dry_run:
            self._log.detail("rolled back, because of --dry-run")

    def _log_command(self, events: list[StoredEvent], *, dry_run: bool) -> None:
        from catactl.cli.output.event_tree import caused_events, draw_tree

        if not self._log.json:
            for line in draw_tree(events, lambda stored: f"of stream {stored.stream_id}"):
                self._log.detail(line)
            return
        for stored, command, saga, cause in caused_events(events):
            self._log.detail(
                f"event {stored.position} {stored.type}",
                org_id=str(stored.org_id),
                position=stored.position,
                stream_id=str(stored.stream_id),
                version=stored.version,
                type=stored.type,
                command=command,
                saga=saga,
                cause_position=cause.position if cause is not None else None,
                dry_run=dry_run,
            )

    def finish(self, milliseconds: float) -> None:
        """Log the total number of statements and their time."""
        self._log.detail(
            f"done in {milliseconds:.1f} ms: {counted(self._statements, 'SQL statement')}"
            f" in {self._sql_ms:.1f} ms",
            milliseconds=round(milliseconds, 3),
            sql_statements=self._statements,
            sql_milliseconds=round(self._sql_ms, 3),
        )


def _shortened(sql: str) -> str:
    """Return the beginning of a statement, without the columns."""
    line = _SELECT.sub("SELECT … FROM ", " ".join(sql.split()))
    line = _WRITE.sub(r"\g<target>", line)
    return line if len(line) <= _MAX_SQL else f"{line[: _MAX_SQL - 1]}…"


def _merged(statements: Iterable[str]) -> Iterator[str]:
    """Yield consecutive equal statements once, with their number."""
    for statement, same in groupby(statements):
        count = len(list(same))
        yield f"{statement} ({count:,} times)" if count > 1 else statement
