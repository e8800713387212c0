from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from catactl.domain.job_configuration import (
    CreateJobConfiguration,
    DeleteJobConfiguration,
    DisableJobConfiguration,
    EnableJobConfiguration,
    JobConfiguration,
    JobConfigurationCommand,
    JobConfigurationCreated,
    JobConfigurationDeleted,
    JobConfigurationDisabled,
    JobConfigurationEnabled,
    JobConfigurationEvent,
    JobConfigurationUpdated,
    JobSpec,
    UpdateJobConfiguration,
    check_spec,
    decider,
)
from catactl.errors import AlreadyExists, CatactlError, InvalidValue, NotFound, Refused
from tests.domain.examples import class_name, examples_of
from tests.domain.scenario import Given
from tests.support import NOON

A, B, C = (UUID(int=number) for number in (1, 2, 3))
SPEC = JobSpec("nightly", "registry/job:1", inputs=(A, B))
CREATED = JobConfigurationCreated(SPEC, NOON)
DISABLED = JobConfigurationDisabled()
DELETED = JobConfigurationDeleted((A, B))


def given(
    *events: JobConfigurationEvent,
) -> Given[JobConfiguration, JobConfigurationCommand, JobConfigurationEvent]:
    return Given(decider, events)


def state_after(*events: JobConfigurationEvent) -> JobConfiguration:
    state = given(*events).state
    assert state is not None
    return state


def test_a_job_is_created_enabled() -> None:
    given().when(CreateJobConfiguration(SPEC, NOON)).then(CREATED)
    state = state_after(CREATED)
    assert state == JobConfiguration(SPEC, NOON)
    assert (state.status, state.live_name, state.name) == ("enabled", "nightly", "nightly")


def test_a_stream_accepts_events_of_one_job() -> None:
    create = CreateJobConfiguration(SPEC, NOON)
    given(CREATED).when(create).then_refused(AlreadyExists, "'nightly' exists already")
    given(CREATED, DELETED).when(create).then_refused(AlreadyExists, "exists already")


def test_inputs_are_stored_sorted_and_without_duplicates() -> None:
    messy = replace(SPEC, inputs=(B, A, B))
    given().when(CreateJobConfiguration(messy, NOON)).then(CREATED)


def test_an_update_sets_the_fields_it_names_and_leaves_the_others() -> None:
    given(CREATED).when(UpdateJobConfiguration({"cpu_millis": 500})).then(
        JobConfigurationUpdated(replace(SPEC, cpu_millis=500), (), ())
    )


def test_an_update_event_holds_the_added_and_removed_inputs() -> None:
    given(CREATED).when(UpdateJobConfiguration({"inputs": (C, B)})).then(
        JobConfigurationUpdated(
            replace(SPEC, inputs=(B, C)), added_inputs=(C,), removed_inputs=(A,)
        )
    )


def test_an_update_to_the_present_values_changes_nothing() -> None:
    given(CREATED).when(UpdateJobConfiguration({})).then_nothing()
    given(CREATED).when(UpdateJobConfiguration({"image": SPEC.image})).then_nothing()
    given(CREATED).when(UpdateJobConfiguration({"inputs": (B, A)})).then_nothing()


def test_an_update_can_rename() -> None:
    renamed = JobConfigurationUpdated(replace(SPEC, name="hourly"), (), ())
    given(CREATED).when(UpdateJobConfiguration({"name": "hourly"})).then(renamed)
    assert state_after(CREATED, renamed).live_name == "hourly"


def test_an_update_to_an_invalid_value_is_refused() -> None:
    update = UpdateJobConfiguration({"image": ""})
    given(CREATED).when(update).then_refused(InvalidValue, "not an image")


def test_a_stored_name_or_schedule_that_is_now_invalid_does_not_prevent_another_update() -> None:
    old = replace(SPEC, name="a/b", schedule="0 0 30 2 *")
    stored = given(JobConfigurationCreated(old, NOON))
    stored.when(UpdateJobConfiguration({"cpu_millis": 500})).then(
        JobConfigurationUpdated(replace(old, cpu_millis=500), (), ())
    )
    change = UpdateJobConfiguration({"schedule": "0 0 31 2 *"})
    stored.when(change).then_refused(InvalidValue, "day-of-month")


def test_a_job_is_disabled_and_enabled() -> None:
    given(CREATED).when(DisableJobConfiguration()).then(DISABLED)
    given(CREATED, DISABLED).when(EnableJobConfiguration()).then(JobConfigurationEnabled())
    assert state_after(CREATED, DISABLED).status == "disabled"
    assert state_after(CREATED, DISABLED, JobConfigurationEnabled()) == state_after(CREATED)


def test_disabling_and_enabling_again_change_nothing() -> None:
    given(CREATED).when(EnableJobConfiguration()).then_nothing()
    given(CREATED, DISABLED).when(DisableJobConfiguration()).then_nothing()


def test_deleting_a_job_releases_its_inputs_and_its_name() -> None:
    given(CREATED).when(DeleteJobConfiguration()).then(DELETED)
    state = state_after(CREATED, DELETED)
    assert (state.status, state.live_name) == ("deleted", None)


def test_deleting_releases_the_inputs_of_the_last_update() -> None:
    updated = JobConfigurationUpdated(replace(SPEC, inputs=(C,)), (C,), (A, B))
    given(CREATED, updated).when(DeleteJobConfiguration()).then(JobConfigurationDeleted((C,)))


@pytest.mark.parametrize(
    "command", examples_of(JobConfigurationCommand, CreateJobConfiguration), ids=class_name
)
def test_a_job_that_was_never_created_or_is_deleted_refuses_commands(
    command: JobConfigurationCommand,
) -> None:
    given().when(command).then_refused(NotFound, "no such job")
    given(CREATED, DELETED).when(command).then_refused(Refused, "'nightly' is deleted")


# --- validation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"command": "python -m job --all"},
        {"env": {"A": "1", "_b2": "", "PATH": "/bin:ü"}},
        {"cpu_millis": 1},
        {"cpu_millis": 1_000_000},
        {"memory_bytes": 1},
        {"timeout_seconds": 366 * 24 * 3600},
        {"schedule": "*/5 0-6 * jan mon-fri"},
        {"inputs": tuple(UUID(int=number) for number in range(1_000))},
        {"image": "localhost:5000/a/b@sha256:00"},
    ],
)
def test_a_valid_configuration_is_unchanged(changes: Mapping[str, Any]) -> None:
    spec = replace(SPEC, **changes)
    assert check_spec(spec) == spec


@pytest.mark.parametrize(
    ("changes", "error", "saying"),
    [
        ({"name": ""}, InvalidValue, "job name is empty"),
        ({"name": str(A)}, InvalidValue, "looks like an id"),
        ({"image": ""}, InvalidValue, "not an image"),
        ({"image": "two words"}, InvalidValue, "not an image"),
        ({"image": "a\x00b"}, InvalidValue, "control character"),
        ({"command": "a\0"}, InvalidValue, r"U\+0000"),
        ({"command": "x" * 65_537}, InvalidValue, "65,537 bytes"),
        ({"env": {"1A": "x"}}, InvalidValue, "environment variable"),
        ({"env": {"": "x"}}, InvalidValue, "environment variable"),
        ({"env": {"A=B": "x"}}, InvalidValue, "environment variable"),
        ({"env": {"A": "\x00"}}, InvalidValue, "value of A"),
        ({"cpu_millis": 0}, InvalidValue, "cpu"),
        ({"cpu_millis": 1_000_001}, InvalidValue, "cpu"),
        ({"memory_bytes": 0}, InvalidValue, "memory"),
        ({"memory_bytes": -1}, InvalidValue, "never negative"),
        ({"memory_bytes": 2**63}, InvalidValue, "size is over"),
        ({"timeout_seconds": 0}, InvalidValue, "timeout"),
        ({"timeout_seconds": 366 * 24 * 3600 + 1}, InvalidValue, "timeout"),
        ({"schedule": "often"}, InvalidValue, "not a schedule"),
        (
            {"inputs": tuple(UUID(int=number) for number in range(1_001))},
            InvalidValue,
            "at most 1,000 inputs, not 1,001",
        ),
    ],
)
def test_an_invalid_configuration_is_refused(
    changes: Mapping[str, Any], error: type[CatactlError], saying: str
) -> None:
    spec = replace(SPEC, **changes)
    given().when(CreateJobConfiguration(spec, NOON)).then_refused(error, saying)
    given(CREATED).when(UpdateJobConfiguration(changes)).then_refused(error, saying)
