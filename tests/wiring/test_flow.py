"""The tables of the wiring are complete, without duplicates, and match the real behavior."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catactl.domain import organization
from catactl.domain.decider import Command, Event, EventEnvelope, fold
from catactl.domain.file import File, FileCommand, FileEvent
from catactl.domain.job_configuration import (
    JobConfiguration,
    JobConfigurationCommand,
    JobConfigurationEvent,
)
from catactl.domain.organization import (
    Organization,
    OrganizationCommand,
    OrganizationEvent,
    OrganizationStatus,
)
from catactl.domain.parts import Part, Parts
from catactl.errors import CatactlError, CorruptLog
from catactl.store.codec import EVENT_CLASSES, EVENT_NAMES
from catactl.store.tables import IS_LIFECYCLE_EVENT
from catactl.wiring import flow
from catactl.wiring.flow import (
    AGGREGATES,
    FILE,
    JOB_CONFIGURATION,
    ORGANIZATION,
    PROJECTIONS,
    SAGAS,
    Aggregate,
    aggregate_of,
    aggregate_of_event,
    reactions_to,
)
from tests.domain.examples import EXAMPLES, JOB, SPEC, class_name
from tests.strategies import EVENTS, events_of
from tests.support import BYTES_1, NOON

COMMANDS = {
    "organization": get_args(OrganizationCommand),
    "file": get_args(FileCommand),
    "job_configuration": get_args(JobConfigurationCommand),
}
EVENTS_OF = {
    "organization": get_args(OrganizationEvent),
    "file": get_args(FileEvent),
    "job_configuration": get_args(JobConfigurationEvent),
}
# Stored names never change.
STORED_NAMES = {
    "organization": {
        "organization.created",
        "organization.renamed",
        "organization.quota_set",
        "organization.quota_cleared",
        "organization.suspended",
        "organization.resumed",
        "organization.deleted",
        "organization.storage_usage_changed",
        "organization.storage_usage_corrected",
        "organization.content_swept",
        "organization.clock_corrected",
    },
    "file": {
        "file.created",
        "file.part_uploaded",
        "file.completed",
        "file.deleted",
        "file.restored",
        "file.content_swept",
        "file.linked",
        "file.unlinked",
    },
    "job_configuration": {
        "job_configuration.created",
        "job_configuration.updated",
        "job_configuration.enabled",
        "job_configuration.disabled",
        "job_configuration.deleted",
    },
}
ORGANIZATIONS = [
    None,
    Organization("acme", NOON),
    Organization("acme", NOON, quota_bytes=5),
    Organization("acme", NOON, OrganizationStatus.SUSPENDED),
]
FILES = [
    None,
    File("a", NOON),
    File("a", NOON, parts=Parts.of([Part(1, 1, BYTES_1)]), linked_by=frozenset({JOB})),
    File("a", NOON, deleted=True),
    File("a", NOON, deleted=True, parts=Parts.of([Part(1, 1, BYTES_1, stored=True)])),
]
JOBS = [None, JobConfiguration(SPEC, NOON), JobConfiguration(SPEC, NOON, enabled=False)]


def test_there_are_three_aggregates() -> None:
    assert AGGREGATES == (ORGANIZATION, FILE, JOB_CONFIGURATION)
    assert [each.name for each in AGGREGATES] == ["organization", "file", "job_configuration"]


def test_every_command_is_wired_exactly_once() -> None:
    wired = [command for aggregate in AGGREGATES for command in aggregate.commands]
    assert len(wired) == len(set(wired))
    for aggregate in AGGREGATES:
        assert set(aggregate.commands) == set(COMMANDS[aggregate.name])


def test_every_event_comes_from_the_commands_of_one_aggregate() -> None:
    for aggregate in AGGREGATES:
        given_events = {event for events in aggregate.commands.values() for event in events}
        assert given_events == set(EVENTS_OF[aggregate.name])


def test_every_event_has_one_stored_name_which_never_changes() -> None:
    for aggregate, classes in EVENTS_OF.items():
        assert {EVENT_NAMES[cls] for cls in classes} == STORED_NAMES[aggregate]
    assert len(EVENT_CLASSES) == len(EVENT_NAMES) == sum(map(len, STORED_NAMES.values()))
    assert {EVENT_CLASSES[name]: name for name in EVENT_CLASSES} == EVENT_NAMES


def test_the_stored_name_begins_with_the_aggregate() -> None:
    for aggregate, classes in EVENTS_OF.items():
        for cls in classes:
            assert EVENT_NAMES[cls].startswith(f"{aggregate}.")


def test_there_is_an_example_of_every_command() -> None:
    commands = [type(command) for command in EXAMPLES]
    assert sorted(commands, key=repr) == sorted(sum(COMMANDS.values(), ()), key=repr)


def _decisions(
    aggregate: Aggregate, command: Command
) -> Iterator[tuple[object | None, list[Event]]]:
    """Yield states of every kind that accept a command, each with the events that follow."""
    states: dict[str, Sequence[object]] = {
        "organization": ORGANIZATIONS,
        "file": FILES,
        "job_configuration": JOBS,
    }
    for state in states[aggregate.name]:
        with suppress(CatactlError):
            yield state, aggregate.decider.decide(state, command)


@pytest.mark.parametrize("command", EXAMPLES, ids=class_name)
def test_a_command_leads_to_the_events_that_the_wiring_declares(command: Command) -> None:
    aggregate = aggregate_of(command)
    emitted = {type(event) for _, events in _decisions(aggregate, command) for event in events}
    assert emitted == set(aggregate.commands[type(command)])


@pytest.mark.parametrize("command", EXAMPLES, ids=class_name)
def test_no_command_changes_a_column_that_its_store_never_updates(command: Command) -> None:
    aggregate = aggregate_of(command)
    for state, events in _decisions(aggregate, command):
        if state is not None:
            before = aggregate.store.to_row(state, 1)
            after = aggregate.store.to_row(fold(aggregate.decider, state, events), 1)
            changed = {column for column in before if before[column] != after[column]}
            never_updated = changed & set(aggregate.store.constant)
            assert not never_updated, "remove it from `constant` of the aggregate's store"


@pytest.mark.parametrize("cls", EVENT_NAMES, ids=lambda cls: EVENT_NAMES[cls])
@settings(max_examples=5)
@given(data=st.data())
def test_a_stream_without_its_first_event_is_corrupt(cls: type[Event], data: st.DataObject) -> None:
    event = data.draw(events_of(cls))
    aggregate = aggregate_of_event(event)
    first = next(iter(aggregate.commands.values()))[0]
    if cls is not first:
        with pytest.raises(CorruptLog, match=f"without {first.__name__}"):
            aggregate.decider.evolve(None, event)


def test_the_index_of_lifecycle_events_has_all_rare_events_of_organizations() -> None:
    frequent = {"organization.storage_usage_changed", "organization.content_swept"}
    indexed = set(re.findall(r"'([^']+)'", IS_LIFECYCLE_EVENT.text))
    assert indexed == STORED_NAMES["organization"] - frequent, (
        "add the event to `IS_LIFECYCLE_EVENT` and its index in a migration, unless no query of"
        " the index needs it"
    )


@given(EVENTS)
def test_sagas_send_what_the_wiring_declares_and_only_to_wired_commands(event: Event) -> None:
    envelope = EventEnvelope(UUID(int=7), UUID(int=8), event)
    for saga in SAGAS:
        if type(event) in saga.listens:
            sent = saga.react(envelope)
            assert {type(each.command) for each in sent} <= set(saga.sends)
            for each in sent:
                assert aggregate_of(each.command) in AGGREGATES


@given(EVENTS)
def test_reactions_come_from_the_sagas_that_listen(event: Event) -> None:
    envelope = EventEnvelope(UUID(int=7), UUID(int=8), event)
    expected = [
        reaction
        for saga in SAGAS
        if type(event) in saga.listens
        for reaction in saga.react(envelope)
    ]
    assert reactions_to(envelope) == expected


@given(EVENTS)
def test_the_name_of_an_event_begins_with_its_aggregate(event: Event) -> None:
    assert aggregate_of_event(event).name == EVENT_NAMES[type(event)].split(".")[0]


def test_sagas_and_projections_have_unique_names() -> None:
    assert [saga.name for saga in SAGAS] == ["storage_usage", "job_inputs"]
    assert len({each.NAME for each in PROJECTIONS}) == len(PROJECTIONS)
    assert len({each.TABLE.name for each in PROJECTIONS}) == len(PROJECTIONS)


def test_sagas_and_projections_listen_to_wired_events() -> None:
    wired = set(EVENT_NAMES)
    for saga in SAGAS:
        assert set(saga.listens) <= wired
    for projection in PROJECTIONS:
        assert set(projection.LISTENS) <= wired


def test_commands_from_sagas_do_not_need_an_active_organization() -> None:
    for saga in SAGAS:
        assert not any(command.needs_active_organization for command in saga.sends)


def test_a_set_quota_is_traced_to_the_command_that_set_it() -> None:
    assert flow.command_leading_to(organization.QuotaSet) is organization.SetQuota
    both = (organization.OrganizationCreated, organization.QuotaSet)
    assert flow.command_leading_to(*both) is organization.CreateOrganization
