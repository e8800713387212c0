from dataclasses import replace
from datetime import timedelta

import pytest

from catactl.domain.decider import Command
from catactl.domain.file import (
    CompleteFile,
    CreateFile,
    DeleteFile,
    FileCommand,
    LinkFile,
    RestoreFile,
    SweepFileContent,
    UnlinkFile,
    UploadPart,
)
from catactl.domain.job_configuration import (
    CreateJobConfiguration,
    DeleteJobConfiguration,
    DisableJobConfiguration,
    EnableJobConfiguration,
    JobConfigurationCommand,
    UpdateJobConfiguration,
)
from catactl.domain.organization import (
    ChangeStorageUsage,
    ClearQuota,
    CorrectClock,
    CorrectStorageUsage,
    CreateOrganization,
    DeleteOrganization,
    Organization,
    OrganizationClockCorrected,
    OrganizationCommand,
    OrganizationContentSwept,
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationEvent,
    OrganizationRenamed,
    OrganizationResumed,
    OrganizationStatus,
    OrganizationSuspended,
    QuotaCleared,
    QuotaSet,
    RenameOrganization,
    ResumeOrganization,
    SetQuota,
    StorageUsageChanged,
    StorageUsageCorrected,
    SuspendOrganization,
    SweepOrganizationContent,
    check_accepts,
    decider,
    evolve,
)
from catactl.errors import (
    AlreadyExists,
    InvalidValue,
    NotEmpty,
    NotFound,
    QuotaExceeded,
    Refused,
    Suspended,
)
from catactl.values.sizes import MAX_BYTES
from tests.domain.examples import class_name, examples_of
from tests.domain.scenario import Given
from tests.support import BYTES_1, BYTES_2, NOON

CREATED = OrganizationCreated("acme", NOON)
SUSPENDED = OrganizationSuspended()
DELETED = OrganizationDeleted()
SWEPT = OrganizationContentSwept({BYTES_1: 1, BYTES_2: 7})
CORRECT = CorrectStorageUsage(7, 1, 1, compared="events", unpaired_events=0)


def given(
    *events: OrganizationEvent,
) -> Given[Organization, OrganizationCommand, OrganizationEvent]:
    return Given(decider, events)


def used(used_bytes: int, file_count: int = 1, part_count: int = 1) -> StorageUsageChanged:
    return StorageUsageChanged(used_bytes, 0, 0, used_bytes, file_count, part_count)


# --- create, rename, delete -----------------------------------------------------------------------


def test_an_organization_is_created_active_unlimited_and_empty() -> None:
    given().when(CreateOrganization("acme", NOON)).then(CREATED)
    state = given(CREATED).state
    assert state == Organization("acme", NOON, OrganizationStatus.ACTIVE, None, 0, 0, 0)
    assert state.live_name == "acme"


def test_an_organization_can_be_created_with_a_quota() -> None:
    given().when(CreateOrganization("acme", NOON, 10)).then(CREATED, QuotaSet(10))


def test_a_quota_of_0_bytes_is_a_quota() -> None:
    given().when(CreateOrganization("acme", NOON, 0)).then(CREATED, QuotaSet(0))


def test_a_stream_accepts_events_of_one_organization() -> None:
    create = CreateOrganization("acme", NOON)
    given(CREATED).when(create).then_refused(AlreadyExists, "exists already")
    given(CREATED, DELETED).when(create).then_refused(AlreadyExists, "exists already")


@pytest.mark.parametrize("name", ["", " acme", "a/b", "0b6f1e2a-6a53-5d0e-9c0e-8f3c7a4d2b10"])
def test_an_invalid_name_is_refused(name: str) -> None:
    given().when(CreateOrganization(name, NOON)).then_refused(InvalidValue, "organization name")
    given(CREATED).when(RenameOrganization(name)).then_refused(InvalidValue, "organization name")


@pytest.mark.parametrize("quota_bytes", [-1, MAX_BYTES + 1])
def test_a_quota_out_of_range_is_refused(quota_bytes: int) -> None:
    create = CreateOrganization("acme", NOON, quota_bytes)
    given().when(create).then_refused(InvalidValue, "size")
    given(CREATED).when(SetQuota(quota_bytes)).then_refused(InvalidValue, "size")


def test_an_organization_is_renamed() -> None:
    given(CREATED).when(RenameOrganization("beta")).then(OrganizationRenamed("beta"))
    state = given(CREATED, OrganizationRenamed("beta")).state
    assert state is not None
    assert state.live_name == "beta"


def test_renaming_to_the_present_name_changes_nothing() -> None:
    given(CREATED).when(RenameOrganization("acme")).then_nothing()


def test_an_organization_without_files_is_deleted() -> None:
    given(CREATED).when(DeleteOrganization()).then(DELETED)
    given(CREATED, SUSPENDED).when(DeleteOrganization()).then(DELETED)
    given(CREATED, used(0, 0, 0)).when(DeleteOrganization()).then(DELETED)
    state = given(CREATED, DELETED).state
    assert state is not None
    assert state.live_name is None


def test_an_organization_with_live_files_is_not_deleted_even_when_they_are_empty() -> None:
    given(CREATED, used(0, 1, 0)).when(DeleteOrganization()).then_refused(NotEmpty, "1 files")


@pytest.mark.parametrize(
    "command",
    examples_of(OrganizationCommand, CreateOrganization, SweepOrganizationContent, CorrectClock),
    ids=class_name,
)
def test_an_organization_that_does_not_exist_or_is_deleted_refuses_commands(
    command: OrganizationCommand,
) -> None:
    given().when(command).then_refused(NotFound, "does not exist or is deleted")
    given(CREATED, DELETED).when(command).then_refused(NotFound, "does not exist or is deleted")


# --- quota ----------------------------------------------------------------------------------------


def test_a_quota_is_set_changed_and_cleared() -> None:
    given(CREATED).when(SetQuota(10)).then(QuotaSet(10))
    given(CREATED, QuotaSet(10)).when(SetQuota(11)).then(QuotaSet(11))
    given(CREATED, QuotaSet(10)).when(ClearQuota()).then(QuotaCleared())
    assert given(CREATED, QuotaSet(10), QuotaCleared()).state == given(CREATED).state


def test_setting_the_present_quota_changes_nothing() -> None:
    given(CREATED, QuotaSet(10)).when(SetQuota(10)).then_nothing()
    given(CREATED).when(ClearQuota()).then_nothing()


def test_a_quota_may_be_set_below_what_is_used() -> None:
    given(CREATED, used(100)).when(SetQuota(10)).then(QuotaSet(10))


def test_usage_may_reach_the_quota_to_the_byte() -> None:
    given(CREATED, QuotaSet(100), used(60)).when(ChangeStorageUsage(40, 0, 1)).then(
        StorageUsageChanged(40, 0, 1, used_bytes=100, file_count=1, part_count=2)
    )


def test_usage_may_not_exceed_the_quota_by_one_byte() -> None:
    change = ChangeStorageUsage(41, 0, 1)
    given(CREATED, QuotaSet(100), used(60)).when(change).then_refused(
        QuotaExceeded, "60 of 100 bytes are used, 41 more do not fit"
    )


def test_usage_above_the_quota_may_shrink_or_stay_but_not_grow() -> None:
    over = given(CREATED, used(60), QuotaSet(10))
    over.when(ChangeStorageUsage(-5, 0, 0)).then(StorageUsageChanged(-5, 0, 0, 55, 1, 1))
    over.when(ChangeStorageUsage(0, 1, 0)).then(StorageUsageChanged(0, 1, 0, 60, 2, 1))
    over.when(ChangeStorageUsage(1, 0, 0)).then_refused(QuotaExceeded, "1 more do not fit")


def test_usage_stays_within_a_signed_64_bit_integer() -> None:
    full = given(CREATED, used(MAX_BYTES - 1))
    full.when(ChangeStorageUsage(1, 0, 1)).then(StorageUsageChanged(1, 0, 1, MAX_BYTES, 1, 2))
    full.when(ChangeStorageUsage(2, 0, 1)).then_refused(Refused, "2\\^63-1")


# --- usage ----------------------------------------------------------------------------------------


def test_a_usage_event_carries_the_change_and_the_figures_after_it() -> None:
    given(CREATED, used(10, 2, 3)).when(ChangeStorageUsage(-4, -1, -2)).then(
        StorageUsageChanged(-4, -1, -2, used_bytes=6, file_count=1, part_count=1)
    )


def test_usage_changes_while_suspended_because_deletes_are_allowed() -> None:
    given(CREATED, used(10), SUSPENDED).when(ChangeStorageUsage(-10, -1, -1)).then(
        StorageUsageChanged(-10, -1, -1, 0, 0, 0)
    )


def test_a_correction_carries_the_figures_before_and_after() -> None:
    corrected = StorageUsageCorrected(10, 2, 3, 7, 1, 1, compared="events", unpaired_events=0)
    given(CREATED, used(10, 2, 3)).when(CORRECT).then(corrected)
    state = given(CREATED, used(10, 2, 3), corrected).state
    assert state is not None
    assert (state.used_bytes, state.file_count, state.part_count) == (7, 1, 1)


def test_a_correction_may_exceed_the_quota_because_it_records_facts() -> None:
    corrected = StorageUsageCorrected(0, 0, 0, 7, 1, 1, compared="events", unpaired_events=0)
    given(CREATED, QuotaSet(1)).when(CORRECT).then(corrected)


# --- suspend --------------------------------------------------------------------------------------


def test_an_organization_is_suspended_and_resumed() -> None:
    given(CREATED).when(SuspendOrganization()).then(SUSPENDED)
    given(CREATED, SUSPENDED).when(ResumeOrganization()).then(OrganizationResumed())
    assert given(CREATED, SUSPENDED, OrganizationResumed()).state == given(CREATED).state


def test_suspending_and_resuming_again_change_nothing() -> None:
    given(CREATED, SUSPENDED).when(SuspendOrganization()).then_nothing()
    given(CREATED).when(ResumeOrganization()).then_nothing()


def test_a_suspended_organization_can_still_be_administered() -> None:
    suspended = given(CREATED, SUSPENDED)
    suspended.when(RenameOrganization("beta")).then(OrganizationRenamed("beta"))
    suspended.when(SetQuota(5)).then(QuotaSet(5))


def test_a_suspended_organization_keeps_its_name() -> None:
    state = given(CREATED, SUSPENDED).state
    assert state is not None
    assert state.live_name == "acme"


# --- swept content --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "events",
    [(CREATED,), (CREATED, SUSPENDED), (CREATED, DELETED), (CREATED, SUSPENDED, DELETED)],
    ids=["active", "suspended", "deleted", "deleted while suspended"],
)
def test_content_is_swept_in_every_status_of_the_organization(
    events: tuple[OrganizationEvent, ...],
) -> None:
    before = given(*events)
    before.when(SweepOrganizationContent({BYTES_1: 1, BYTES_2: 7})).then(SWEPT)
    before.when(SweepOrganizationContent({})).then_nothing()
    assert given(*events, SWEPT).state == before.state


# --- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", [(CREATED,), (CREATED, SUSPENDED), (CREATED, DELETED)])
def test_the_clock_of_a_log_that_is_ahead_is_corrected(
    events: tuple[OrganizationEvent, ...],
) -> None:
    later = NOON + timedelta(days=1)
    given(*events).when(CorrectClock(later, NOON)).then(OrganizationClockCorrected(later, NOON))
    for now in (later, later + timedelta(days=1)):
        given(*events).when(CorrectClock(later, now)).then_refused(Refused, "is not ahead")


def test_a_log_without_an_organization_has_no_clock_to_correct() -> None:
    command = CorrectClock(NOON + timedelta(days=1), NOON)
    given().when(command).then_refused(NotFound, "does not exist or is deleted")


def test_an_organization_is_not_created_later_than_its_clock_was_corrected() -> None:
    for moment in (NOON - timedelta(days=1), NOON + timedelta(days=1)):
        state = given(CREATED, OrganizationClockCorrected(moment, moment)).state
        assert state is not None
        assert state.created_at == min(NOON, moment)


def test_an_organization_that_does_not_exist_has_no_content_to_sweep() -> None:
    for generations in ({}, {BYTES_1: 1}):
        sweep = SweepOrganizationContent(generations)
        given().when(sweep).then_refused(NotFound, "does not exist or is deleted")


# --- commands to files and job configurations -----------------------------------------------------

_ADDING = {CreateFile, UploadPart, RestoreFile, CreateJobConfiguration}
_OTHERS = {
    CompleteFile,
    DeleteFile,
    SweepFileContent,
    LinkFile,
    UnlinkFile,
    UpdateJobConfiguration,
    EnableJobConfiguration,
    DisableJobConfiguration,
    DeleteJobConfiguration,
}
_COMMANDS = examples_of(FileCommand | JobConfigurationCommand)


def test_every_command_to_files_and_jobs_is_listed_as_adding_something_or_not() -> None:
    assert {type(command) for command in _COMMANDS} == _ADDING | _OTHERS


@pytest.mark.parametrize("command", _COMMANDS, ids=class_name)
def test_a_suspended_organization_refuses_only_commands_that_add_something(
    command: Command,
) -> None:
    suspended = given(CREATED, SUSPENDED).state
    if type(command) in _ADDING:
        with pytest.raises(Suspended, match="is suspended, so nothing can be added"):
            check_accepts(suspended, command)
    else:
        check_accepts(suspended, command)


@pytest.mark.parametrize("command", _COMMANDS, ids=class_name)
def test_an_active_organization_accepts_all_commands(command: Command) -> None:
    check_accepts(given(CREATED).state, command)
    check_accepts(given(CREATED, SUSPENDED, OrganizationResumed()).state, command)


@pytest.mark.parametrize("command", _COMMANDS, ids=class_name)
def test_a_deleted_organization_refuses_all_commands(command: Command) -> None:
    for state in (None, given(CREATED, DELETED).state, given(CREATED, SUSPENDED, DELETED).state):
        with pytest.raises(NotFound, match="does not exist or is deleted"):
            check_accepts(state, command)


# --- evolve ---------------------------------------------------------------------------------------


def test_evolve_does_not_change_the_state_before() -> None:
    before = given(CREATED, used(5)).state
    assert before is not None
    copy = replace(before)
    evolve(before, used(9))
    assert before == copy
