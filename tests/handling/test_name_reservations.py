"""Names of live organizations, files and jobs are unique, and free again."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine

from catactl.domain.decider import Command, CommandEnvelope
from catactl.domain.file import CreateFile, DeleteFile, RestoreFile, UploadPart
from catactl.domain.job_configuration import (
    CreateJobConfiguration,
    DeleteJobConfiguration,
    JobSpec,
    UpdateJobConfiguration,
)
from catactl.domain.organization import DeleteOrganization, RenameOrganization
from catactl.errors import AlreadyExists, Refused
from catactl.handling.handler import Handler
from catactl.handling.unit_of_work import UnitOfWork
from catactl.values.ids import new_id
from catactl.wiring.flow import FILE, JOB_CONFIGURATION, ORGANIZATION
from tests.handling.support import transact
from tests.support import (
    BYTES_1,
    INTENT,
    NOON,
    Usage,
    assert_consistent,
    contents,
    create_file,
    create_job,
    create_organization,
    delete_file,
    restore_file,
    run,
)

# --- names ----------------------------------------------------------------------------------------


def test_names_of_live_organizations_are_unique_and_free_again(handler: Handler) -> None:
    org_id = create_organization(handler)
    with pytest.raises(AlreadyExists, match="organization 'acme' exists already"):
        create_organization(handler)
    other_id = create_organization(handler, "beta")
    with pytest.raises(AlreadyExists):
        run(handler, other_id, other_id, RenameOrganization("acme"))
    run(handler, org_id, org_id, RenameOrganization("gamma"))
    run(handler, other_id, other_id, RenameOrganization("acme"))
    run(handler, other_id, other_id, DeleteOrganization())
    create_organization(handler)


def test_names_of_live_files_are_unique_in_their_organization_and_free_again(
    handler: Handler,
) -> None:
    org_id, other_id = create_organization(handler), create_organization(handler, "beta")
    file_id = create_file(handler, org_id)
    create_file(handler, other_id)
    create_job(handler, org_id, "data.bin")
    with pytest.raises(AlreadyExists, match=r"file 'data\.bin' exists already"):
        create_file(handler, org_id)
    delete_file(handler, org_id, file_id)
    create_file(handler, org_id)


def test_a_file_whose_name_is_taken_is_not_restored(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    old = create_file(handler, org_id)
    delete_file(handler, org_id, old)
    new = create_file(handler, org_id)
    before = contents(engine)
    with pytest.raises(AlreadyExists, match=r"'data\.bin' exists already"):
        restore_file(handler, org_id, old)
    assert contents(engine) == before
    delete_file(handler, org_id, new)
    restore_file(handler, org_id, old)
    assert_consistent(engine, org_id)


def test_names_of_live_jobs_are_unique_and_free_again(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    job_id = create_job(handler, org_id)
    with pytest.raises(AlreadyExists, match="job configuration 'nightly' exists already"):
        create_job(handler, org_id)
    other_id = create_job(handler, org_id, "hourly")
    with pytest.raises(AlreadyExists):
        run(handler, org_id, other_id, UpdateJobConfiguration({"name": "nightly"}))
    run(handler, org_id, job_id, DeleteJobConfiguration())
    run(handler, org_id, other_id, UpdateJobConfiguration({"name": "nightly"}))
    assert_consistent(engine, org_id)


def test_names_may_move_between_streams_in_a_transaction_but_not_in_circles(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    first, second = create_job(handler, org_id, "a"), create_job(handler, org_id, "b")

    def rename(job_id: UUID, name: str) -> tuple[UUID, Command]:
        return job_id, UpdateJobConfiguration({"name": name})

    transact(handler, org_id, rename(second, "x"), rename(first, "b"), rename(second, "y"))
    with pytest.raises(Refused, match="exchanged"):
        transact(handler, org_id, rename(first, "x"), rename(second, "b"), rename(first, "y"))
    assert_consistent(engine, org_id)


def test_one_name_is_not_taken_twice_in_a_transaction(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    job_id = create_job(handler, org_id, "hourly")
    before = contents(engine)
    nightly = CreateJobConfiguration(JobSpec("nightly", "image"), NOON)
    twice: list[tuple[Command, tuple[UUID, Command]]] = [
        (CreateFile("a", NOON), (new_id(NOON), CreateFile("a", NOON))),
        (nightly, (new_id(NOON), nightly)),
        (nightly, (job_id, UpdateJobConfiguration({"name": "nightly"}))),
    ]
    for first, second in twice:
        with pytest.raises(AlreadyExists, match="exists already"):
            transact(handler, org_id, (new_id(NOON), first), second)
    assert contents(engine) == before


def test_a_name_that_a_transaction_frees_is_free_in_it(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    old, new, newer = create_file(handler, org_id), new_id(NOON), new_id(NOON)
    hourly, nightly = create_job(handler, org_id, "hourly"), new_id(NOON)
    spec = JobSpec("hourly", "image")
    transact(
        handler,
        org_id,
        (old, DeleteFile()),
        (new, CreateFile("data.bin", NOON)),
        (new, DeleteFile()),
        (newer, CreateFile("data.bin", NOON)),
        (hourly, UpdateJobConfiguration({"name": "daily"})),
        (nightly, CreateJobConfiguration(spec, NOON)),
        (nightly, DeleteJobConfiguration()),
        (hourly, UpdateJobConfiguration({"name": "hourly"})),
    )
    assert assert_consistent(engine, org_id) == Usage(0, 1, 0)
    with pytest.raises(AlreadyExists, match="exists already"):
        transact(handler, org_id, (newer, UploadPart(1, 1, BYTES_1)), (old, RestoreFile()))
    transact(handler, org_id, (newer, DeleteFile()), (old, RestoreFile()))
    assert assert_consistent(engine, org_id) == Usage(0, 1, 0)


def test_a_name_is_looked_up_as_the_transaction_has_changed_it(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id, job_id = create_file(handler, org_id), create_job(handler, org_id)
    other_id = create_organization(handler, "other")

    def work(conn: Connection, unit: UnitOfWork) -> dict[str, Any]:
        def live(*names: str) -> list[UUID | None]:
            return [
                unit.names.find(aggregate, name)
                for aggregate, name in zip(
                    (ORGANIZATION, FILE, JOB_CONFIGURATION), names, strict=True
                )
            ]

        assert live("acme", "data.bin", "nightly") == [org_id, file_id, job_id]
        assert live("other", "nightly", "data.bin") == [other_id, None, None]
        unit.run(CommandEnvelope(org_id, RenameOrganization("beta")))
        unit.run(CommandEnvelope(file_id, DeleteFile()))
        unit.run(CommandEnvelope(job_id, UpdateJobConfiguration({"name": "daily"})))
        assert live("acme", "data.bin", "nightly") == [None, None, None]
        assert live("beta", "data.bin", "daily") == [org_id, None, job_id]
        unit.run(CommandEnvelope(file_id, RestoreFile()))
        unit.run(CommandEnvelope(org_id, RenameOrganization("acme")))
        assert live("acme", "data.bin", "daily") == [org_id, file_id, job_id]
        return {}

    handler.transact(org_id, INTENT, work)
    assert_consistent(engine, org_id)
    with pytest.raises(AlreadyExists):
        create_organization(handler)
    create_organization(handler, "beta")
