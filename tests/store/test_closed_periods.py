"""A report calls a period closed only if no writer can change it any more."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Thread
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Engine

from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import UploadPart
from catactl.domain.organization import DeleteOrganization, RenameOrganization
from catactl.errors import NotFound
from catactl.handling.handler import Handler
from catactl.handling.state_cache import StateCaches
from catactl.handling.transaction import Transaction
from catactl.store import clock
from catactl.store.closed_periods import why_open
from catactl.store.sql.engine import reading, writing
from catactl.store.sql.urls import parse_url
from catactl.usage.adjustments import adjustments
from catactl.usage.report import lines
from catactl.values.times import Interval
from tests.support import BYTES_1, INTENT, create_file, create_organization, opened, run

_numbers = count()


class Writer:
    """A transaction in progress with an event that is dated and not committed."""

    def __init__(self, url: URL, org_id: UUID, file_id: UUID, size_bytes: int) -> None:
        self._stack = ExitStack()
        engine = self._stack.enter_context(opened(url))
        self._conn = self._stack.enter_context(writing(engine))
        transaction = Transaction(self._conn, INTENT, None, StateCaches())
        part = UploadPart(1, size_bytes, BYTES_1)
        transaction.unit(org_id).run(CommandEnvelope(file_id, part))
        transaction.flush()

    def commit(self) -> None:
        self._conn.commit()
        self._stack.close()

    def roll_back(self) -> None:
        self._stack.close()


class Organizations:
    """Organizations with a file each, and writers that write to them."""

    def __init__(self, url: URL, engine: Engine) -> None:
        handler = Handler(engine)
        self.url = url
        self.start = self.now(engine) - timedelta(hours=1)
        orgs = [create_organization(handler, f"org-{next(_numbers)}") for _ in range(3)]
        self.handler = handler
        self.empty = create_organization(handler, f"org-{next(_numbers)}")
        self.free = [(org_id, create_file(handler, org_id)) for org_id in orgs]
        self.writers: list[tuple[Writer, tuple[UUID, UUID]]] = []
        self.size_bytes = 0

    @staticmethod
    def now(engine: Engine) -> datetime:
        with reading(engine) as conn:
            return clock.now(conn)

    def begin(self) -> None:
        if self.free and not self.is_locked:
            self.size_bytes += 1
            ids = self.free.pop(0)
            self.writers.append((Writer(self.url, *ids, self.size_bytes), ids))

    def end(self, how: Callable[[Writer], None]) -> None:
        if self.writers:
            writer, ids = self.writers.pop(0)
            how(writer)
            self.free.append(ids)

    @property
    def is_locked(self) -> bool:
        """Return whether another writer would have to wait."""
        return bool(self.writers) and self.url.get_backend_name() == "sqlite"

    def rename(self) -> None:
        if self.free and not self.is_locked:
            org_id, _ = self.free[0]
            run(self.handler, org_id, org_id, RenameOrganization(f"org-{next(_numbers)}"))

    def delete(self) -> None:
        if not self.is_locked:
            with suppress(NotFound):  # the file was deleted before
                run(self.handler, self.empty, self.empty, DeleteOrganization())

    def figures(self, engine: Engine, end: datetime) -> str:
        interval = Interval(self.start, end)
        with reading(engine) as conn:
            usage = sorted(lines(conn, interval, None))
            return repr((usage, list(adjustments(conn, interval, None))))


def _never(_count: int) -> None:
    raise AssertionError("there is no writer to wait for")


_ACTIONS = st.sampled_from(
    ["begin", "begin", "commit", "commit", "roll back", "rename", "delete", "report", "again"]
)


@settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=st.lists(_ACTIONS, min_size=4, max_size=12))
def test_a_report_of_a_closed_period_never_changes(
    database_url: URL, engine: Engine, actions: list[str]
) -> None:
    """Transactions begin before the end of a period, and commit after it in any order."""
    orgs = Organizations(database_url, engine)
    closed: dict[datetime, str] = {}
    ends: list[datetime] = []
    with opened(database_url, lock_timeout_seconds=0) as reader:
        for action in actions:
            match action:
                case "begin":
                    orgs.begin()
                case "commit":
                    orgs.end(Writer.commit)
                case "roll back":
                    orgs.end(Writer.roll_back)
                case "rename":
                    orgs.rename()
                case "delete":
                    orgs.delete()
                case "report":
                    ends.append(orgs.now(reader))
            if action not in {"report", "again"} or not ends:
                continue
            end = ends[-1] if action == "report" else ends[0]
            is_closed = why_open(reader, end, lambda _count: None) is None
            if action == "report":
                assert is_closed is (not orgs.writers)
            figures = orgs.figures(reader, end)
            if is_closed:
                assert closed.setdefault(end, figures) == figures
        while orgs.writers:
            orgs.end(Writer.commit)
        orgs.rename()
        orgs.delete()
        for end, figures in closed.items():
            assert orgs.figures(reader, end) == figures


def test_a_report_waits_for_a_writer_that_ends_in_time(database_url: URL, engine: Engine) -> None:
    orgs = Organizations(database_url, engine)
    orgs.begin()
    end = orgs.now(engine)
    before = orgs.figures(engine, end)
    commit = Thread(target=lambda: orgs.end(Writer.commit))
    commit.start()
    assert why_open(engine, end, lambda _count: None) is None
    commit.join()
    assert orgs.figures(engine, end) != before


def test_a_report_announces_that_it_waits(postgresql_url: URL, postgresql_engine: Engine) -> None:
    orgs = Organizations(postgresql_url, postgresql_engine)
    orgs.begin()
    orgs.begin()
    end = orgs.now(postgresql_engine)
    counts: list[int] = []

    def waiting(count: int) -> None:
        counts.append(count)
        orgs.end(Writer.commit)
        orgs.end(Writer.roll_back)

    assert why_open(postgresql_engine, end, waiting) is None
    assert counts == [2]


def test_a_report_does_not_wait_for_a_writer_that_began_after_the_period(
    postgresql_url: URL, postgresql_engine: Engine
) -> None:
    orgs = Organizations(postgresql_url, postgresql_engine)
    end = orgs.now(postgresql_engine)
    orgs.begin()
    assert why_open(postgresql_engine, end, _never) is None
    orgs.end(Writer.roll_back)


def test_a_period_in_a_read_only_database_is_not_closed(sqlite_url: URL) -> None:
    with opened(parse_url(f"{sqlite_url}?mode=ro")) as reader:
        reason = why_open(reader, datetime.now(UTC), _never)
    assert reason is not None
    assert "read-only database" in reason
