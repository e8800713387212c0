"""PostgreSQL's side of `wire`: many statements in one round trip, by libpq's pipeline mode.

psycopg's `pq` layer and adapters do the work. `psycopg.Connection.pipeline()` gives the same with a
wait at each statement, which costs twice the processor time.
"""

import hashlib
import select
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import psycopg
from psycopg import pq
from psycopg.abc import Transformer as AdaptTransformer
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Connection, func, text
from sqlalchemy import select as sql_select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.base import Executable

from catactl.errors import ConnectionLost
from catactl.store.sql.engine import lock_timeout_seconds
from catactl.store.sql.guarded_statement import GuardedStatement, Row

# From its third use on a connection a statement is prepared: one-shot commands prepare nothing.
_PREPARE_AFTER_USES = 2
_PREPARED = "catactl.pipeline.prepared"
# The status of the server's answers to BEGIN, COMMIT and a preparation.
_UNASKED = frozenset({b"BEGIN", b"COMMIT", b"", None})
_BEGIN_TO_WRITE = b"BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
_BEGIN_TO_READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY, NOT DEFERRABLE"
# The formats of text and times on the wire. Server, database, role and environment may have other
# defaults, so each transaction sets these for itself.
_SETTINGS = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO",
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
    "bytea_output": "hex",
    # A policy that hides rows is an error: figures would be wrong, and `blob gc` would remove
    # content that hidden rows refer to.
    "row_security": "off",
}
# How long to wait for an answer to COMMIT before another connection asks for the outcome.
COMMIT_TIMEOUT_SECONDS = 40.0
_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_DIVISION_BY_ZERO = "22012"
_CONNECTION_ENDS = frozenset({b"FATAL", b"PANIC"})
# A prepared statement that is not there, and one that is there already.
_NOT_OUR_PREPARED = frozenset({b"26000", b"42P05"})
_ASK_FOR_PROCESS = GuardedStatement(sql_select(func.pg_backend_pid()), {})


def execute(
    conn: Connection,
    queries: Sequence[GuardedStatement],
    *,
    commits: bool = False,
    reads: bool = False,
) -> list[list[Row]]:
    """Send all queries and read all answers; begin a transaction if none is in progress.

    Returns the rows of each query. Raises a query's own error if it did not affect one row, else
    psycopg's error for the first query that failed. The server then runs neither the later queries
    nor the commit. Raises `ConnectionLost` if the server does not answer a commit in time.
    """
    driver: psycopg.Connection[Any] = conn.connection.driver_connection  # type: ignore[assignment]
    pgconn = driver.pgconn
    prepared: _Prepared = conn.info.setdefault(_PREPARED, _Prepared())
    transformer = Transformer(driver)
    ours: list[GuardedStatement] = []
    begins = pgconn.transaction_status == pq.TransactionStatus.IDLE
    if begins:
        ours.append(_settings(lock_timeout_seconds(conn)))
    asks = prepared.is_wanted and prepared.is_possible is None
    if asks:
        ours.append(_ASK_FOR_PROCESS)
    queries = [*ours, *queries]
    try:
        pgconn.enter_pipeline_mode()
        if begins:
            pgconn.send_query_params(_BEGIN_TO_READ if reads else _BEGIN_TO_WRITE, None)
        for query in queries:
            _send(pgconn, transformer, prepared, query)
        if commits:
            pgconn.send_query_params(b"COMMIT", None)
        pgconn.pipeline_sync()
        results = _receive(pgconn, COMMIT_TIMEOUT_SECONDS if commits else None)
        pgconn.exit_pipeline_mode()
    except BaseException as error:
        # Cancel, because queries in progress must not continue, and later queries must not read
        # their answers. Do not cancel an unanswered commit, so that its outcome can be found out.
        if pgconn.status == pq.ConnStatus.OK and not isinstance(error, ConnectionLost):
            driver.cancel_safe(timeout=1.0)
        conn.invalidate()
        raise
    answers: list[list[Row]] = []
    for result in results:
        if result.status == pq.ExecStatus.TUPLES_OK:
            transformer.set_pgresult(result)
            answers.append(transformer.load_rows(0, result.ntuples, tuple))
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            prepared.forget(result.error_field(pq.DiagnosticField.SQLSTATE))
            if result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) in _CONNECTION_ENDS:
                conn.invalidate()
            refusal = error_from_result(result, encoding=driver.info.encoding)
            otherwise = queries[len(answers)].otherwise if len(answers) < len(queries) else None
            if otherwise is not None and refusal.sqlstate == _DIVISION_BY_ZERO:
                raise otherwise()
            raise refusal
        elif result.command_status not in _UNASKED:
            answers.append([])
    if asks:
        ((process,),) = answers[len(ours) - 1]
        prepared.is_possible = process == pgconn.backend_pid
    return answers[len(ours) :]


@cache
def _settings(lock_timeout_seconds: float) -> GuardedStatement:
    """Return the query that sets what a transaction depends on."""
    lock_timeout_ms = max(1, round(lock_timeout_seconds * 1000))  # because 0 would wait forever
    settings = _SETTINGS | {"lock_timeout": str(lock_timeout_ms)}
    calls = (f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    return GuardedStatement(text(f"SELECT {', '.join(calls)}"), {})


class _Prepared:
    """What a connection has prepared, and how often it used what it has not.

    A pooler between us and the server may hand us another server process at each transaction, which
    has not what we prepared, but maybe another's. Then the process that answers is not the one we
    were told of when we connected, and nothing is prepared. A name says what it stands for, so that
    even a pooler that hides this cannot make us run another statement.
    """

    def __init__(self) -> None:
        self.names: dict[Executable, bytes] = {}
        self.uses: dict[Executable, int] = {}
        self.is_wanted = False
        self.is_possible: bool | None = None
        self._round = 0

    def name_for(self, statement: Executable, text: bytes) -> bytes:
        digest = hashlib.sha256(text).hexdigest()[:24].encode()
        name = self.names[statement] = b"catactl_%d_%s" % (self._round, digest)
        return name

    def forget(self, sqlstate: bytes | None) -> None:
        """After an error it is not known which of a trip's preparations were reached: start over,
        under new names, or do without them.
        """
        self.names.clear()
        self.uses.clear()
        self._round += 1
        if sqlstate in _NOT_OUR_PREPARED:
            self.is_possible = False


class _Compiled(NamedTuple):
    """`text` has `$1`, `$2` … for the parameters in `names`, of which `constants` are given
    already.
    """

    text: bytes
    names: tuple[str, ...]
    formats: list[PyFormat]
    constants: dict[str, Any]


@cache
def _compile(statement: Executable, guarded: bool) -> _Compiled:
    compiled = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
    text = str(compiled)
    if guarded:
        # Only an error keeps the commit behind it from happening; a row count would come too late.
        text = f"WITH affected AS ({text} RETURNING 1) SELECT 1 / count(*) FROM affected"
    names = tuple(compiled.positiontup or ())
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return _Compiled(text.encode(), names, [PyFormat.TEXT] * len(names), constants)


def _send(
    pgconn: PGconn, transformer: AdaptTransformer, prepared: _Prepared, query: GuardedStatement
) -> None:
    statement, parameters, otherwise = query
    compiled = _compile(statement, otherwise is not None)
    if compiled.constants:
        parameters = {**compiled.constants, **parameters}
    # Parameters go as untyped text; their types follow from the columns and casts they meet.
    values = transformer.dump_sequence(
        [parameters[name] for name in compiled.names], compiled.formats
    )
    name = prepared.names.get(statement)
    if name is None:
        used = prepared.uses.get(statement, 0)
        prepared.uses[statement] = used + 1
        prepared.is_wanted |= used >= _PREPARE_AFTER_USES
        if used < _PREPARE_AFTER_USES or not prepared.is_possible:
            pgconn.send_query_params(compiled.text, values)
            return
        name = prepared.name_for(statement, compiled.text)
        pgconn.send_prepare(name, compiled.text)
    pgconn.send_query_prepared(name, values)


def _receive(pgconn: PGconn, timeout_seconds: float | None) -> list[PGresult]:
    """Send the rest and read up to the synchronization point. Signals are handled meanwhile.

    Raises `ConnectionLost` if the server does not answer in time.
    """
    give_up_at = time.monotonic() + timeout_seconds if timeout_seconds is not None else None
    results: list[PGresult] = []
    while True:
        unsent = pgconn.flush() == 1
        if unsent or pgconn.is_busy():
            left = max(0.0, give_up_at - time.monotonic()) if give_up_at is not None else None
            ready = select.select([pgconn.socket], [pgconn.socket] if unsent else [], [], left)
            if not any(ready):
                raise ConnectionLost(
                    f"the database did not answer for {timeout_seconds:g} s", "run it again"
                )
            pgconn.consume_input()
            continue
        result = pgconn.get_result()
        if result is None:
            continue
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            return results
        results.append(result)
