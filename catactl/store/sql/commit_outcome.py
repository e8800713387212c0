"""Find out whether PostgreSQL committed a transaction when the result of its COMMIT was lost.

catactl reads the status of the transaction's id over a new connection: committed, aborted, or in
progress. If the transaction is in progress and its session waits for a client, that client is gone,
so catactl ends the session. An id alone does not prove a commit, because after a crash the server
may assign an id again. So the database must also hold rows that the transaction wrote.
"""

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from catactl.errors import Busy, CatactlError, OutcomeUnknown, Unreachable
from catactl.store.sql.engine import reading

# A function that returns whether the database holds a row that one transaction wrote.
Evidence = Callable[[Connection], bool]

# How long to try, because the server may be restarting.
PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.2
_UNASSIGNED_ID = "22023"
_STATUS = text("SELECT pg_xact_status(CAST(:id AS xid8))")
# Test wait_event and not state, because in a pipeline a session that waits is still `active`.
_END_IF_WAITING = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_xid = CAST(CAST(:id AS xid8) AS xid) AND wait_event = 'ClientRead'"
)


def was_committed(engine: Engine, transaction_id: str, evidence: Evidence | None) -> bool:
    """Return whether the server committed the transaction. Without evidence return False, because
    it does no harm to repeat such a transaction.

    Raises `OutcomeUnknown` if the server cannot be reached, or if the transaction stays in
    progress.
    """
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    reason: CatactlError | None = None
    while True:
        try:
            with reading(engine) as conn:
                status = _status(conn, transaction_id)
                if status == "committed":
                    return evidence is not None and evidence(conn)
                if status == "aborted":
                    return False
                conn.execute(_END_IF_WAITING, {"id": transaction_id})
        except (Unreachable, Busy) as error:
            reason = error
        if time.monotonic() > give_up_at:
            raise OutcomeUnknown(
                "the database did not confirm the commit, and its outcome is unknown: the command "
                "may or may not have been done",
                "check whether it was done before you run it again; with the same "
                "--idempotency-key it is safe to run it again",
            ) from reason
        time.sleep(_PAUSE_SECONDS)


def _status(conn: Connection, transaction_id: str) -> str | None:
    """Return `committed`, `aborted` or `in progress`; None for an id that the server forgot."""
    try:
        status: str | None = conn.execute(_STATUS, {"id": transaction_id}).scalar()
    except DBAPIError as error:
        # A crash lost the transaction, because the server has not assigned its id yet.
        if getattr(error.orig, "sqlstate", None) != _UNASSIGNED_ID:
            raise
        return "aborted"
    return status
