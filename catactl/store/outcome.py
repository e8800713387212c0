"""Find out what became of a transaction on PostgreSQL when the answer to its COMMIT was lost.

The server is asked, over a new connection, for the fate of the transaction's id. It says committed,
aborted, or in progress. A transaction that is in progress and waits for a client, which is gone, is
ended. An id alone does not prove a commit: after a crash the server may give an id again to another
transaction. So the database must also hold what the transaction wrote.
"""

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from catactl.errors import Busy, CatactlError, OutcomeUnknown, Unreachable
from catactl.store.engine import reading

# Returns whether the database holds something that one transaction wrote.
Evidence = Callable[[Connection], bool]

# How long the database is asked, which may be restarting.
PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.2
_NOT_GIVEN_OUT = "22023"
_STATUS = text("SELECT pg_xact_status(CAST(:id AS xid8))")
# In the middle of a pipeline the state of a session is active, also while it waits for its client.
_END_IF_WAITING = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_xid = CAST(CAST(:id AS xid8) AS xid) AND wait_event = 'ClientRead'"
)


def was_committed(engine: Engine, transaction_id: str, evidence: Evidence | None) -> bool:
    """Return whether the server committed the transaction. Without evidence it wrote nothing that
    would harm if it were written twice, and counts as not committed.

    Raises `OutcomeUnknown` when the server cannot be asked, or when the transaction stays in
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
                "the database did not confirm the commit, and could not be asked for its outcome: "
                "it is unknown whether the command was done",
                "look before you run it again; under the same --idempotency-key it is safe",
            ) from reason
        time.sleep(_PAUSE_SECONDS)


def _status(conn: Connection, transaction_id: str) -> str | None:
    """Return `committed`, `aborted` or `in progress`; None for an id that is long past."""
    try:
        status: str | None = conn.execute(_STATUS, {"id": transaction_id}).scalar()
    except DBAPIError as error:
        # An id that the server has not given out yet was lost in a crash, with all it stood for.
        if getattr(error.orig, "sqlstate", None) != _NOT_GIVEN_OUT:
            raise
        return "aborted"
    return status
