"""What leads to what: the one place that says which command goes to which aggregate, which events
that may give, and which sagas and views hear each event. `catactl topology` prints these tables.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from catactl.domain import file, job_configuration, organization
from catactl.domain.decider import Command, CommandEnvelope, Decider, Event, EventEnvelope
from catactl.domain.file import (
    CompleteFile,
    CreateFile,
    DeleteFile,
    FileCompleted,
    FileContentSwept,
    FileCreated,
    FileDeleted,
    FileLinked,
    FileRestored,
    FileUnlinked,
    LinkFile,
    PartUploaded,
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
    JobConfigurationCreated,
    JobConfigurationDeleted,
    JobConfigurationDisabled,
    JobConfigurationEnabled,
    JobConfigurationUpdated,
    UpdateJobConfiguration,
)
from catactl.domain.organization import (
    ChangeStorageUsage,
    ClearQuota,
    CorrectClock,
    CorrectStorageUsage,
    CreateOrganization,
    DeleteOrganization,
    OrganizationClockCorrected,
    OrganizationContentSwept,
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationRenamed,
    OrganizationResumed,
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
)
from catactl.projections import storage_usage as storage_usage_view
from catactl.projections import storage_usage_days as storage_usage_days_view
from catactl.projections import swept_content as swept_content_view
from catactl.projections.projection import Projection
from catactl.sagas import job_inputs as job_inputs_saga
from catactl.sagas import storage_usage as storage_usage_saga
from catactl.store.file_store import FileStore
from catactl.store.job_configuration_store import JobConfigurationStore
from catactl.store.organization_store import OrganizationStore
from catactl.store.state_store import StateStore


@dataclass(frozen=True, eq=False)
class Aggregate:
    """`commands` says which events each command may give."""

    name: str
    decider: Decider[Any, Any, Any]
    store: StateStore[Any]
    commands: Mapping[type[Command], tuple[type[Event], ...]]


@dataclass(frozen=True, eq=False)
class Saga:
    name: str
    react: Callable[[EventEnvelope], list[CommandEnvelope]]
    listens: tuple[type[Event], ...]
    sends: tuple[type[Command], ...]


ORGANIZATION = Aggregate(
    "organization",
    organization.decider,
    OrganizationStore(),
    {
        CreateOrganization: (OrganizationCreated, QuotaSet),
        RenameOrganization: (OrganizationRenamed,),
        SetQuota: (QuotaSet,),
        ClearQuota: (QuotaCleared,),
        SuspendOrganization: (OrganizationSuspended,),
        ResumeOrganization: (OrganizationResumed,),
        DeleteOrganization: (OrganizationDeleted,),
        ChangeStorageUsage: (StorageUsageChanged,),
        CorrectStorageUsage: (StorageUsageCorrected,),
        SweepOrganizationContent: (OrganizationContentSwept,),
        CorrectClock: (OrganizationClockCorrected,),
    },
)
FILE = Aggregate(
    "file",
    file.decider,
    FileStore(),
    {
        CreateFile: (FileCreated,),
        UploadPart: (PartUploaded,),
        CompleteFile: (FileCompleted,),
        DeleteFile: (FileDeleted,),
        RestoreFile: (FileRestored,),
        SweepFileContent: (FileContentSwept,),
        LinkFile: (FileLinked,),
        UnlinkFile: (FileUnlinked,),
    },
)
JOB_CONFIGURATION = Aggregate(
    "job_configuration",
    job_configuration.decider,
    JobConfigurationStore(),
    {
        CreateJobConfiguration: (JobConfigurationCreated,),
        UpdateJobConfiguration: (JobConfigurationUpdated,),
        EnableJobConfiguration: (JobConfigurationEnabled,),
        DisableJobConfiguration: (JobConfigurationDisabled,),
        DeleteJobConfiguration: (JobConfigurationDeleted,),
    },
)

AGGREGATES: tuple[Aggregate, ...] = (ORGANIZATION, FILE, JOB_CONFIGURATION)

SAGAS: tuple[Saga, ...] = (
    Saga(
        "storage_usage",
        storage_usage_saga.react,
        listens=storage_usage_saga.LISTENS,
        sends=(ChangeStorageUsage,),
    ),
    Saga(
        "job_inputs",
        job_inputs_saga.react,
        listens=job_inputs_saga.LISTENS,
        sends=(LinkFile, UnlinkFile),
    ),
)

PROJECTIONS: tuple[Projection, ...] = (
    storage_usage_view,
    storage_usage_days_view,
    swept_content_view,
)
# The views whose rows depend on the times from which events count. A correction rebuilds them.
DATED_PROJECTIONS: tuple[Projection, ...] = (storage_usage_view, storage_usage_days_view)

_AGGREGATE_OF: dict[type[Command], Aggregate] = {
    command: aggregate for aggregate in AGGREGATES for command in aggregate.commands
}
_AGGREGATE_OF_EVENT: dict[type[Event], Aggregate] = {
    event: aggregate
    for aggregate in AGGREGATES
    for events in aggregate.commands.values()
    for event in events
}
_SAGAS_OF: dict[type[Event], tuple[Saga, ...]] = {
    event: tuple(saga for saga in SAGAS if event in saga.listens) for event in _AGGREGATE_OF_EVENT
}


def aggregate_of(command: Command) -> Aggregate:
    """Return the aggregate that a command goes to."""
    return _AGGREGATE_OF[type(command)]


def aggregate_of_event(event: Event) -> Aggregate:
    """Return the aggregate in whose streams an event occurs."""
    return _AGGREGATE_OF_EVENT[type(event)]


def events_of(command: type[Command]) -> tuple[type[Event], ...]:
    """Return the events that a command may give."""
    return _AGGREGATE_OF[command].commands[command]


def command_giving(*events: type[Event]) -> type[Command]:
    """Return the command that gives these events together; of several, that with fewest."""
    commands = _AGGREGATE_OF_EVENT[events[0]].commands
    giving = [command for command, given in commands.items() if set(events) <= set(given)]
    return min(giving, key=lambda command: len(commands[command]))


def command_name(command: type[Command]) -> str:
    """Return a command's name as people read it: `upload part`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", command.__name__).lower()


def sagas_of(event: type[Event]) -> tuple[Saga, ...]:
    """Return the sagas that hear an event."""
    return _SAGAS_OF[event]


def saga_between(event: type[Event], command: type[Command]) -> Saga:
    """Return the saga that answers an event with a command."""
    return next(saga for saga in _SAGAS_OF[event] if command in saga.sends)


def projections_of(event: type[Event]) -> tuple[Projection, ...]:
    """Return the views that an event changes."""
    return tuple(view for view in PROJECTIONS if event in listens(view))


def listens(view: Projection) -> tuple[type[Event], ...]:
    """Return the events that change a view: the view applies them, or is rebuilt for them."""
    return (
        (*view.LISTENS, OrganizationClockCorrected) if view in DATED_PROJECTIONS else view.LISTENS
    )


def reactions_to(occurred: EventEnvelope) -> list[CommandEnvelope]:
    """Return the commands with which the sagas answer an event."""
    sagas = _SAGAS_OF[type(occurred.event)]
    return [addressed for saga in sagas for addressed in saga.react(occurred)] if sagas else []
