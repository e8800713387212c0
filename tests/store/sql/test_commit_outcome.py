"""If the result of a commit is lost, catactl finds the outcome and never commits twice."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, Connection, Engine, text

from catactl.errors import ConnectionLost, OutcomeUnknown
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.store.sql import commit_outcome, pipeline
from catactl.store.sql.commit_outcome import was_committed
from catactl.store.sql.engine import reading
from tests.support import (
    assert_consistent,
    create_file,
    create_organization,
    libpq_url,
    opened,
    read_log,
)

Cut = Callable[[Any], None]


def _after_the_commit(receive: Any, pgconn: Any, timeout: float | None) -> None:
    receive(pgconn, timeout)
    pgconn.finish()
    raise psycopg.OperationalError("consuming input failed: connection reset by peer")


def _before_the_commit(receive: Any, pgconn: Any, timeout: float | None) -> None:
    pgconn.finish()  # loses all data that was not sent
    raise psycopg.OperationalError("consuming input failed: connection reset by peer")


def _without_a_result(receive: Any, pgconn: Any, timeout: float | None) -> None:
    receive(pgconn, timeout)
    raise ConnectionLost("the database did not respond for 40 s")


@pytest.fixture(params=[_after_the_commit, _before_the_commit, _without_a_result])
def cut_commit(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Make the next commit fail in the given way, and later ones succeed."""
    receive = pipeline._receive

    def once() -> None:
        def cutting(pgconn: Any, timeout: float | None) -> Any:
            if timeout is None:
                return receive(pgconn, timeout)
            monkeypatch.setattr(pipeline, "_receive", receive)
            return request.param(receive, pgconn, timeout)

        monkeypatch.setattr(pipeline, "_receive", cutting)

    return once


@pytest.mark.parametrize("key", [None, "key"])
def test_a_command_is_done_once_if_the_result_of_its_commit_is_lost(
    postgresql_engine: Engine, cut_commit: Callable[[], None], key: str | None
) -> None:
    handler = Handler(postgresql_engine)
    org_id = create_organization(handler)
    before = len(read_log(postgresql_engine, org_id))
    cut_commit()
    create_file(handler, org_id, "one", Intent("tester", idempotency_key=key))
    types = [recorded.type for recorded in read_log(postgresql_engine, org_id)[before:]]
    assert types == ["file.created", "organization.storage_usage_changed"]
    # The cached states must be the committed ones.
    create_file(handler, org_id, "two")
    assert_consistent(postgresql_engine, org_id)


def test_a_transaction_that_waits_for_its_client_is_ended(postgresql_url: URL) -> None:
    with opened(postgresql_url) as engine, psycopg.connect(libpq_url(postgresql_url)) as held:
        row = held.execute("SELECT pg_current_xact_id()::text").fetchone()
        assert row is not None
        assert was_committed(engine, row[0], lambda _: True) is False
        with pytest.raises(psycopg.errors.AdminShutdown):
            held.execute("SELECT 1")


def _id_of(engine: Engine, ends: str) -> str:
    with engine.connect() as conn:
        id_: str = conn.execute(text("SELECT pg_current_xact_id()::text")).scalar_one()
        conn.exec_driver_sql(ends)
    return id_


def test_a_committed_id_without_the_rows_is_not_enough(
    postgresql_engine: Engine,
) -> None:
    id_ = _id_of(postgresql_engine, "COMMIT")

    def has_rows(conn: Connection) -> bool:
        return True

    assert was_committed(postgresql_engine, id_, has_rows)
    assert not was_committed(postgresql_engine, id_, lambda conn: not has_rows(conn))
    assert not was_committed(postgresql_engine, id_, None)
    assert not was_committed(postgresql_engine, _id_of(postgresql_engine, "ROLLBACK"), has_rows)


def test_an_id_that_was_never_assigned_was_not_committed(
    postgresql_engine: Engine,
) -> None:
    with reading(postgresql_engine) as conn:
        next_id = conn.execute(
            text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        ).scalar_one()
    far_id = str(int(next_id) + 1_000_000)
    assert not was_committed(postgresql_engine, far_id, lambda _: True)


@pytest.mark.parametrize("key", [None, "key"])
def test_an_outcome_is_unknown_if_the_server_cannot_be_reached(
    postgresql_engine: Engine, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    handler = Handler(postgresql_engine)
    org_id = create_organization(handler)
    receive = pipeline._receive

    def unreachable(*_: object) -> Any:
        raise ConnectionLost("the connection to the database was lost")

    def lost(pgconn: Any, timeout: float | None) -> Any:
        results = receive(pgconn, timeout)
        return unreachable() if timeout is not None else results

    monkeypatch.setattr(commit_outcome, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(commit_outcome, "reading", unreachable)
    monkeypatch.setattr(pipeline, "_receive", lost)
    with pytest.raises(OutcomeUnknown, match="may or may not have been done") as raised:
        create_file(handler, org_id, "file", Intent("tester", idempotency_key=key))
    assert raised.value.retryable is (key is not None)
