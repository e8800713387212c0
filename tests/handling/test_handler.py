"""One command, one transaction: usage is exact, and a refusal changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine

from catactl.domain.decider import Command
from catactl.domain.file import CreateFile, SweepFileContent, UploadPart
from catactl.domain.job_configuration import (
    CreateJobConfiguration,
    DeleteJobConfiguration,
    JobSpec,
    UpdateJobConfiguration,
)
from catactl.domain.organization import (
    ClearQuota,
    CreateOrganization,
    DeleteOrganization,
    RenameOrganization,
    ResumeOrganization,
    SetQuota,
    SuspendOrganization,
)
from catactl.errors import (
    InUse,
    NotEmpty,
    NotFound,
    QuotaExceeded,
    Refused,
    Suspended,
    VersionConflict,
)
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.values.ids import new_id
from tests.support import (
    BYTES_1,
    BYTES_2,
    INTENT,
    NOON,
    Clock,
    Usage,
    assert_consistent,
    complete,
    contents,
    create_file,
    create_job,
    create_organization,
    delete_file,
    event_types,
    read_log,
    restore_file,
    run,
    summary,
    upload,
    usage,
)

# --- usage ----------------------------------------------------------------------------------------


def test_usage_is_exact_after_every_kind_of_command(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    assert assert_consistent(engine, org_id) == Usage(0, 0, 0)
    file_id = create_file(handler, org_id)
    assert assert_consistent(engine, org_id) == Usage(0, 1, 0)
    upload(handler, org_id, file_id, 1, 100)
    assert assert_consistent(engine, org_id) == Usage(100, 1, 1)
    upload(handler, org_id, file_id, 1, 100)
    assert assert_consistent(engine, org_id) == Usage(100, 1, 1)
    upload(handler, org_id, file_id, 2, 50)
    upload(handler, org_id, file_id, 1, 30, BYTES_2)
    assert assert_consistent(engine, org_id) == Usage(80, 1, 2)
    complete(handler, org_id, file_id)
    other_id = create_file(handler, org_id, "other.bin")
    upload(handler, org_id, other_id, 9_999, 7)
    assert assert_consistent(engine, org_id) == Usage(87, 2, 3)
    delete_file(handler, org_id, file_id)
    assert assert_consistent(engine, org_id) == Usage(7, 1, 1)
    restore_file(handler, org_id, file_id)
    assert assert_consistent(engine, org_id) == Usage(87, 2, 3)
    job_id = create_job(handler, org_id, inputs=(file_id,))
    run(handler, org_id, job_id, DeleteJobConfiguration())
    assert assert_consistent(engine, org_id) == Usage(87, 2, 3)
    for each in (file_id, other_id):
        delete_file(handler, org_id, each)
    run(handler, org_id, org_id, DeleteOrganization())
    assert assert_consistent(engine, org_id) == usage(engine, org_id) == Usage(0, 0, 0)


def test_usage_may_reach_the_largest_number_of_bytes(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 2**63 - 2)
    upload(handler, org_id, file_id, 2, 1)
    with pytest.raises(Refused, match="2\\^63-1"):
        upload(handler, org_id, file_id, 3, 1)
    assert assert_consistent(engine, org_id).used_bytes == 2**63 - 1


def test_an_outcome_has_state_version_position_and_events(handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    outcome = upload(handler, org_id, file_id, 1, 10)
    assert (outcome.org_id, outcome.stream_id, outcome.dry_run) == (org_id, file_id, False)
    assert (outcome.version, outcome.position) == (2, 5)
    assert outcome.state.parts.size_bytes == 10
    assert event_types(outcome) == ["file.part_uploaded", "organization.storage_usage_changed"]


def test_a_quota_refusal_rolls_everything_back(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler, quota_bytes=100)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 60)
    before = contents(engine)
    with pytest.raises(QuotaExceeded, match="60 of 100 bytes are used, 41 more do not fit"):
        upload(handler, org_id, file_id, 2, 41)
    assert contents(engine) == before
    upload(handler, org_id, file_id, 2, 40)
    assert assert_consistent(engine, org_id) == Usage(100, 1, 2)


def test_restoring_a_file_that_exceeds_the_quota_is_refused(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 60)
    delete_file(handler, org_id, file_id)
    run(handler, org_id, org_id, SetQuota(59))
    with pytest.raises(QuotaExceeded):
        restore_file(handler, org_id, file_id)
    run(handler, org_id, org_id, ClearQuota())
    restore_file(handler, org_id, file_id)
    assert assert_consistent(engine, org_id) == Usage(60, 1, 1)


def test_content_for_a_recorded_part_adds_no_usage(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 10)
    complete(handler, org_id, file_id)
    run(handler, org_id, org_id, SetQuota(0))
    outcome = run(handler, org_id, file_id, UploadPart(1, 10, BYTES_1, stored=True))
    assert event_types(outcome) == ["file.part_uploaded", "organization.storage_usage_changed"]
    assert assert_consistent(engine, org_id) == Usage(10, 1, 1)
    assert event_types(upload(handler, org_id, file_id, 1, 10)) == []


@pytest.mark.parametrize("remembers", [False, True], ids=["fresh", "remembering"])
def test_a_swept_file_has_no_references_and_stays_deleted(
    engine: Engine, handler: Handler, remembers: bool
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    run(handler, org_id, file_id, UploadPart(1, 10, BYTES_1, stored=True))
    delete_file(handler, org_id, file_id)
    run(handler, org_id, org_id, SuspendOrganization())
    swept = run(handler, org_id, file_id, SweepFileContent())
    assert event_types(swept) == ["file.content_swept"]
    run(handler, org_id, org_id, ResumeOrganization())
    with pytest.raises(Refused, match="was swept"):
        restore_file(handler if remembers else Handler(engine), org_id, file_id)
    assert assert_consistent(engine, org_id) == Usage(0, 0, 0)


# --- rules of the organization --------------------------------------------------------------------


def test_commands_to_a_missing_organization_are_refused(engine: Engine) -> None:
    handler, before = Handler(engine), contents(engine)
    with pytest.raises(NotFound):
        create_file(handler, new_id(NOON))
    with pytest.raises(NotFound):
        run(handler, UUID(int=1), UUID(int=1), RenameOrganization("beta"))
    assert contents(engine) == before


def test_a_suspended_organization_accepts_only_deletions(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    kept, gone = create_file(handler, org_id, "kept"), create_file(handler, org_id, "gone")
    delete_file(handler, org_id, gone)
    run(handler, org_id, org_id, SuspendOrganization())
    before = contents(engine)
    refusals: list[Callable[[], object]] = [
        lambda: create_file(handler, org_id, "new"),
        lambda: upload(handler, org_id, kept, 1, 1),
        lambda: restore_file(handler, org_id, gone),
        lambda: create_job(handler, org_id),
    ]
    for refused in refusals:
        with pytest.raises(Suspended):
            refused()
    assert contents(engine) == before
    delete_file(handler, org_id, kept)
    assert assert_consistent(engine, org_id) == Usage(0, 0, 0)


def test_a_deleted_organization_refuses_commands_and_one_with_files_is_not_deleted(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    with pytest.raises(NotEmpty):
        run(handler, org_id, org_id, DeleteOrganization())
    delete_file(handler, org_id, file_id)
    run(handler, org_id, org_id, DeleteOrganization())
    for command in (
        lambda: create_file(handler, org_id),
        lambda: restore_file(handler, org_id, file_id),
    ):
        with pytest.raises(NotFound):
            command()
    assert_consistent(engine, org_id)


@pytest.mark.parametrize("remembers", [False, True])
def test_a_command_to_a_stream_of_another_kind_is_not_found(
    engine: Engine, remembers: bool
) -> None:
    first = Handler(engine)
    org_id = create_organization(first)
    file_id, job_id = create_file(first, org_id), create_job(first, org_id)
    before = contents(engine)
    spec = JobSpec("other", "image")
    wrong: list[tuple[UUID, Command]] = [
        (job_id, UploadPart(1, 1, BYTES_1)),
        (org_id, UploadPart(1, 1, BYTES_1)),
        (file_id, DeleteJobConfiguration()),
        (file_id, RenameOrganization("beta")),
        (new_id(NOON), CreateJobConfiguration(replace(spec, inputs=(org_id,)), NOON)),
        (new_id(NOON), CreateJobConfiguration(replace(spec, inputs=(job_id,)), NOON)),
        (new_id(NOON), CreateJobConfiguration(replace(spec, inputs=(new_id(NOON),)), NOON)),
    ]
    for stream_id, command in wrong:
        handler = first if remembers else Handler(engine)
        with pytest.raises(NotFound):
            run(handler, org_id, stream_id, command)
    assert contents(engine) == before


# --- jobs and their inputs ------------------------------------------------------------------------


def test_an_input_of_a_job_is_not_deleted_until_the_job_releases_it(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    a, b = create_file(handler, org_id, "a"), create_file(handler, org_id, "b")
    job_id = create_job(handler, org_id, inputs=(a,))
    with pytest.raises(InUse):
        delete_file(handler, org_id, a)
    outcome = run(handler, org_id, job_id, UpdateJobConfiguration({"inputs": (b,)}))
    assert event_types(outcome) == ["job_configuration.updated", "file.linked", "file.unlinked"]
    delete_file(handler, org_id, a)
    with pytest.raises(InUse):
        delete_file(handler, org_id, b)
    run(handler, org_id, job_id, DeleteJobConfiguration())
    delete_file(handler, org_id, b)
    assert assert_consistent(engine, org_id) == Usage(0, 0, 0)


def test_a_job_whose_input_is_deleted_is_not_created_at_all(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    a, b = create_file(handler, org_id, "a"), create_file(handler, org_id, "b")
    delete_file(handler, org_id, b)
    before = contents(engine)
    with pytest.raises(Refused, match="cannot be an input"):
        create_job(handler, org_id, inputs=(a, b))
    assert contents(engine) == before


# --- expected versions, dry runs ------------------------------------------------------------------


def test_the_expected_version_must_be_the_present_one(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    before = contents(engine)
    for wrong in (0, 2):
        with pytest.raises(VersionConflict, match=f"at version 1, not {wrong}"):
            run(
                handler,
                org_id,
                file_id,
                UploadPart(1, 1, BYTES_1),
                replace(INTENT, expected_version=wrong),
            )
    assert contents(engine) == before
    right = replace(INTENT, expected_version=1)
    assert run(handler, org_id, file_id, UploadPart(1, 1, BYTES_1), right).version == 2


def test_expecting_version_0_creates_a_new_stream(handler: Handler) -> None:
    org_id = create_organization(handler)
    intent = replace(INTENT, expected_version=0)
    assert run(handler, org_id, new_id(NOON), CreateFile("a", NOON), intent).version == 1


def test_a_dry_run_returns_the_real_outcome_and_writes_nothing(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler, quota_bytes=50)
    file_id = create_file(handler, org_id)
    before = contents(engine)
    dry = replace(INTENT, dry_run=True, idempotency_key="k1", request={"command": "part"})
    would_be = run(handler, org_id, file_id, UploadPart(1, 10, BYTES_1), dry)
    assert would_be.dry_run
    assert contents(engine) == before
    real = upload(handler, org_id, file_id, 1, 10)
    assert not real.dry_run
    assert summary(would_be) == summary(real)
    assert would_be.state == real.state
    assert_consistent(engine, org_id)


def test_a_dry_run_refuses_as_a_real_run_does(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler, quota_bytes=5)
    file_id = create_file(handler, org_id)
    with pytest.raises(QuotaExceeded):
        run(handler, org_id, file_id, UploadPart(1, 6, BYTES_1), replace(INTENT, dry_run=True))


def test_a_dry_run_of_the_first_command_creates_no_log(engine: Engine, handler: Handler) -> None:
    before = contents(engine)
    run(
        handler,
        UUID(int=1),
        UUID(int=1),
        CreateOrganization("acme", NOON),
        replace(INTENT, dry_run=True),
    )
    assert contents(engine) == before
    create_organization(handler)


# --- headers of events ----------------------------------------------------------------------------


def test_every_event_has_actor_reason_and_cause(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    intent = Intent("ada@host", reason="ticket 7")
    uploaded, changed = run(handler, org_id, file_id, UploadPart(1, 1, BYTES_1), intent).events
    assert (uploaded.type, changed.type) == (
        "file.part_uploaded",
        "organization.storage_usage_changed",
    )
    for event in (uploaded, changed):
        assert (event.actor, event.reason) == ("ada@host", "ticket 7")
        assert event.correlation_id == uploaded.command_id
    assert uploaded.causation_id is None
    assert changed.causation_id == uploaded.event_id
    assert changed.command_id not in {uploaded.command_id, uploaded.event_id}
    stored = read_log(engine, org_id)[-2:]
    assert [row.event_id for row in stored] == [uploaded.event_id, changed.event_id]


def test_every_command_has_a_tree_of_its_own(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler, quota_bytes=5)
    create_job(handler, org_id, inputs=(create_file(handler, org_id),))
    history = read_log(engine, org_id)
    trees: dict[UUID, list[str]] = {}
    for each in history:
        trees.setdefault(each.correlation_id, []).append(each.type)
    assert list(trees.values()) == [
        ["organization.created", "organization.quota_set"],
        ["file.created", "organization.storage_usage_changed"],
        ["job_configuration.created", "file.linked"],
    ]
    by_id = {each.event_id: each for each in history}
    assert len(by_id) == len(history)
    for each in history:
        if each.causation_id is None:
            assert each.command_id == each.correlation_id
        else:
            assert by_id[each.causation_id].correlation_id == each.correlation_id


def test_recorded_time_never_goes_backwards_with_a_clock_that_does(engine: Engine) -> None:
    clock = Clock()
    handler = Handler(engine, clock=clock)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    clock.advance(seconds=-60)
    upload(handler, org_id, file_id, 1, 10)
    assert read_log(engine, org_id)[-1].recorded_at == NOON
    clock.advance(seconds=60, microseconds=1)
    upload(handler, org_id, file_id, 2, 10)
    assert read_log(engine, org_id)[-1].recorded_at == NOON + timedelta(microseconds=1)
    assert_consistent(engine, org_id)
