"""Report each statement that a database runs, and its duration, to a listener."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from sqlalchemy import Connection, Engine, event

# Takes the SQL of the statements that one round trip sent, and its milliseconds.
StatementListener = Callable[[Sequence[str], float], None]

_LISTENER = "catactl_statement_listener"
_STARTED = "catactl_statement_started"


def trace(engine: Engine, listener: StatementListener) -> None:
    """Call the listener after each round trip from now on."""
    engine.update_execution_options(**{_LISTENER: listener})

    @event.listens_for(engine, "before_cursor_execute")
    def before(conn: Connection, *_: object) -> None:
        conn.info[_STARTED] = perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def after(conn: Connection, _cursor: object, statement: str, *_: object) -> None:
        listener([statement], _milliseconds_since(conn.info.pop(_STARTED)))


@contextmanager
def round_trip(conn: Connection, *statements: object) -> Iterator[None]:
    """Report statements that the block sends past SQLAlchemy, which has no event for them."""
    listener: StatementListener | None = conn.get_execution_options().get(_LISTENER)
    if listener is None:
        yield
        return
    started = perf_counter()
    try:
        yield
    finally:
        listener([str(statement) for statement in statements], _milliseconds_since(started))


def _milliseconds_since(started: float) -> float:
    return (perf_counter() - started) * 1000
