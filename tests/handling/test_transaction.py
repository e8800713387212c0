"""Locks end with the transaction, and an interruption changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import URL, Connection, Engine, func, select, update

from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import UploadPart
from catactl.domain.organization import SetQuota
from catactl.errors import CatactlError, QuotaExceeded
from catactl.handling.handler import Handler
from catactl.handling.unit_of_work import Outcome, UnitOfWork
from catactl.store import event_log, file_store, organization_store, state_store
from catactl.store.sql import pipeline, statements, upsert
from catactl.store.sql.engine import reading
from catactl.store.tables import idempotency_keys, organizations
from tests.support import (
    BYTES_1,
    INTENT,
    Usage,
    assert_consistent,
    contents,
    create_file,
    create_organization,
    handle,
    opened,
    perform,
    run,
    summary,
    tampering,
    upload,
)


def test_a_command_is_committed_for_everybody_to_see(engine: Engine, database_url: URL) -> None:
    """On PostgreSQL a handler with a cache sends only pipelines, including the commit."""
    handler = Handler(engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    for number in range(1, 6):
        upload(handler, org_id, file_id, number, 10)
        with tampering(database_url) as conn:
            assert conn.execute(select(organizations.c.used_bytes)).scalar() == 10 * number


def test_no_lock_outlives_a_command(engine: Engine, database_url: URL) -> None:
    handler = Handler(engine)
    org_id = create_organization(handler, quota_bytes=5)
    file_id = create_file(handler, org_id)
    dry = replace(INTENT, dry_run=True)
    with opened(database_url, lock_timeout_seconds=0) as elsewhere:
        other = Handler(elsewhere)
        run(handler, org_id, file_id, UploadPart(1, 1, BYTES_1), dry)
        upload(other, org_id, file_id, 1, 1)
        with pytest.raises(QuotaExceeded):
            upload(handler, org_id, file_id, 2, 9)
        upload(other, org_id, file_id, 2, 1)
        upload(handler, org_id, file_id, 2, 1)
        upload(other, org_id, file_id, 3, 1)


def _interrupted_before(conn: Connection) -> CommandEnvelope:
    raise KeyboardInterrupt


def _interrupted_after(outcome: Outcome) -> dict[str, Any]:
    raise KeyboardInterrupt


def test_an_interrupted_command_is_rolled_back(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 10)
    before = contents(engine)
    command = CommandEnvelope(file_id, UploadPart(2, 20, BYTES_1))
    with pytest.raises(KeyboardInterrupt):
        handle(handler, org_id, _interrupted_before, INTENT, summary)
    with pytest.raises(KeyboardInterrupt):
        handle(handler, org_id, command, INTENT, _interrupted_after)
    assert contents(engine) == before
    upload(handler, org_id, file_id, 2, 21)
    assert assert_consistent(engine, org_id) == Usage(31, 1, 2)


@pytest.mark.parametrize("statement", range(6))
def test_a_command_interrupted_between_its_writes_is_rolled_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, statement: int
) -> None:
    """The writes are one transaction: an interruption after any of them undoes them all."""
    handler = Handler(engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 10)
    before = contents(engine)
    with monkeypatch.context() as patched:
        _interrupt_at(patched, statement)
        with pytest.raises(KeyboardInterrupt):
            upload(handler, org_id, file_id, 2, 20)
    assert contents(engine) == before
    upload(handler, org_id, file_id, 2, 21)
    assert assert_consistent(engine, org_id) == Usage(31, 1, 2)


def _interrupt_at(patched: pytest.MonkeyPatch, statement: int) -> None:
    """Raise an interruption before the statement of that number is written."""
    count = 0

    def counting(real: Callable[..., None]) -> Callable[..., None]:
        def write(*arguments: Any, **options: Any) -> None:
            nonlocal count
            if count == statement:
                raise KeyboardInterrupt
            count += 1
            real(*arguments, **options)

        return write

    for module in (event_log, state_store, organization_store, file_store, upsert):
        patched.setattr(module, "write", counting(statements.write))
    for module in (event_log, file_store):
        patched.setattr(module, "write_all", counting(statements.write_all))


def test_an_interruption_during_a_response_leaves_all_changes_or_none(
    postgresql_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit may be in progress already. In any case the connection is not used again."""
    handler = Handler(postgresql_engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    real = pipeline._receive
    for interrupted_at in range(2):
        answers = 0

        def receive(pgconn: Any, timeout: float | None, at: int = interrupted_at) -> Any:
            nonlocal answers
            answers += 1
            if answers == at + 1:
                raise KeyboardInterrupt
            return real(pgconn, timeout)

        with monkeypatch.context() as patched:
            patched.setattr(pipeline, "_receive", receive)
            with pytest.raises(KeyboardInterrupt):
                upload(handler, org_id, file_id, 1, 10 + interrupted_at)
        upload(handler, org_id, file_id, 2, 20 + interrupted_at)
        assert_consistent(postgresql_engine, org_id)


@pytest.mark.parametrize("text", ["a\x00b", "\udcff"], ids=["NUL", "no UTF-8"])
@pytest.mark.parametrize("field", ["actor", "reason", "idempotency_key"])
def test_a_text_that_cannot_be_stored_is_refused(
    engine: Engine, handler: Handler, field: str, text: str
) -> None:
    """Such text comes from arguments that are not UTF-8, and from JSON."""
    org_id = create_organization(handler)
    before = contents(engine)
    values: dict[str, Any] = {field: text}
    with pytest.raises(CatactlError):
        perform(handler, org_id, org_id, SetQuota(5), replace(INTENT, **values))
    assert contents(engine) == before


def test_writes_of_plain_rows_have_the_same_locks_keys_and_dry_runs(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)

    def change(conn: Connection, _unit: UnitOfWork) -> dict[str, Any]:
        conn.execute(update(organizations).values(part_count=organizations.c.part_count + 1))
        return {"done": True}

    before = contents(engine)
    assert handler.transact(org_id, replace(INTENT, dry_run=True), change) == {"done": True}
    assert contents(engine) == before
    keyed = replace(INTENT, idempotency_key="k", request={"command": "change"})
    results = [handler.transact(org_id, keyed, change) for _ in range(3)]
    assert results == [{"done": True}] * 3
    with reading(engine) as conn:
        assert conn.execute(select(organizations.c.part_count)).scalar() == 1
        assert conn.execute(select(func.count()).select_from(idempotency_keys)).scalar() == 1


def test_an_unexpected_error_rolls_everything_back(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    before = contents(engine)

    def fail(outcome: Outcome) -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handle(handler, org_id, SetQuota(5), INTENT, fail)
    assert contents(engine) == before
