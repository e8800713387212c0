"""Several commands in one transaction."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import CreateFile, UploadPart
from catactl.errors import AlreadyExists, Busy, QuotaExceeded
from catactl.handling.handler import Handler
from catactl.handling.unit_of_work import UnitOfWork
from catactl.values.ids import new_id
from catactl.wiring.flow import FILE
from tests.handling.support import transact, whole_file
from tests.support import (
    BYTES_1,
    BYTES_2,
    INTENT,
    NOON,
    Usage,
    assert_consistent,
    contents,
    create_file,
    create_organization,
    read_log,
    upload,
)


def test_commands_of_a_transaction_see_earlier_ones_and_are_recorded_separately(
    engine: Engine, handler: Handler
) -> None:
    org_id, file_id = create_organization(handler), new_id(NOON)
    results = transact(handler, org_id, *whole_file(file_id))["all"]
    assert [(each["version"], each["position"]) for each in results] == [
        (1, 3),
        (2, 5),
        (3, 7),
        (4, 9),
        (5, 10),
    ]
    assert [len(each["events"]) for each in results] == [2, 2, 2, 2, 1]
    history = read_log(engine, org_id)[1:]
    assert len({each.correlation_id for each in history}) == 5
    assert len({each.recorded_at for each in history}) == 1
    assert assert_consistent(engine, org_id) == Usage(20, 1, 2)
    upload(handler, org_id, create_file(handler, org_id, "other"), 1, 5)
    assert assert_consistent(engine, org_id) == Usage(25, 2, 3)


def test_a_refusal_among_several_commands_undoes_them_all(engine: Engine, handler: Handler) -> None:
    org_id, file_id = create_organization(handler, quota_bytes=19), new_id(NOON)
    before = contents(engine)
    with pytest.raises(QuotaExceeded):
        transact(handler, org_id, *whole_file(file_id))
    assert contents(engine) == before
    transact(handler, org_id, *whole_file(file_id, size_bytes=9))
    assert assert_consistent(engine, org_id) == Usage(18, 1, 2)


def test_several_commands_under_one_key_are_one_request_and_a_dry_run_of_them_writes_nothing(
    engine: Engine, handler: Handler
) -> None:
    org_id, commands = create_organization(handler), whole_file(new_id(NOON))
    before = contents(engine)
    would_be = transact(handler, org_id, *commands, intent=replace(INTENT, dry_run=True))
    assert contents(engine) == before
    keyed = replace(INTENT, idempotency_key="k", request={"command": "upload"})
    results = [
        transact(each, org_id, *commands, intent=keyed) for each in (handler, Handler(engine))
    ]
    assert results == [would_be, would_be]
    assert assert_consistent(engine, org_id) == Usage(20, 1, 2)


def test_a_transaction_is_retried_from_its_start_when_the_database_is_busy(
    engine: Engine, handler: Handler
) -> None:
    org_id, file_id = create_organization(handler), new_id(NOON)
    attempts: list[int] = []

    def work(conn: Connection, unit: UnitOfWork) -> dict[str, Any]:
        attempts.append(unit.head.position)
        assert unit.names.find(FILE, "data.bin") is None
        for command in whole_file(file_id):
            unit.run(CommandEnvelope(*command))
        if len(attempts) < 3:
            raise Busy("another transaction interfered")
        return {}

    handler.transact(org_id, INTENT, work)
    assert attempts == [1, 1, 1]
    assert assert_consistent(engine, org_id) == Usage(20, 1, 2)


def test_a_refused_command_does_not_affect_the_others_of_its_transaction(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler, quota_bytes=10)
    file_id, taken_id = new_id(NOON), new_id(NOON)

    def work(_conn: Connection, unit: UnitOfWork) -> dict[str, Any]:
        unit.run(CommandEnvelope(file_id, CreateFile("data.bin", NOON)))
        unit.run(CommandEnvelope(file_id, UploadPart(1, 4, BYTES_1)))
        with pytest.raises(QuotaExceeded):  # raised by the organization, not by the file
            unit.run(CommandEnvelope(file_id, UploadPart(2, 7, BYTES_1)))
        with pytest.raises(AlreadyExists):
            unit.run(CommandEnvelope(taken_id, CreateFile("data.bin", NOON)))
        unit.run(CommandEnvelope(file_id, UploadPart(2, 6, BYTES_2)))
        return {}

    handler.transact(org_id, INTENT, work)
    assert assert_consistent(engine, org_id) == Usage(10, 1, 2)
