"""Watching what is sent to a database, and how long each answer takes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine, event

# The statements of one trip to the database as SQL text, and milliseconds.
StatementListener = Callable[[Sequence[str], float], None]

_HEARD = "catactl_heard"
_STARTED = "catactl.watch.started"


def watch(engine: Engine, heard: StatementListener) -> None:
    """Call `heard` with each statement from now on; what `wire` sends in one trip, at once."""
    engine.update_execution_options(**{_HEARD: heard})

    @event.listens_for(engine, "before_cursor_execute")
    def before(conn: Connection, *_: object) -> None:
        conn.info[_STARTED] = perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def after(conn: Connection, _cursor: object, statement: str, *_: object) -> None:
        heard([statement], _milliseconds_since(conn.info.pop(_STARTED)))

    if engine.dialect.name != "sqlite":
        return  # a commit travels with what it commits
    do_commit = engine.dialect.do_commit

    def commit(dbapi_connection: Any) -> None:
        started = perf_counter()
        do_commit(dbapi_connection)
        heard(["COMMIT"], _milliseconds_since(started))

    engine.dialect.do_commit = commit  # type: ignore[method-assign]


@contextmanager
def trip(conn: Connection, statements: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Time a trip that SQLAlchemy does not see, if anybody watches."""
    heard: StatementListener | None = conn.get_execution_options().get(_HEARD)
    if heard is None:
        yield
        return
    started = perf_counter()
    try:
        yield
    finally:
        heard(statements(), _milliseconds_since(started))


def _milliseconds_since(started: float) -> float:
    return (perf_counter() - started) * 1000
