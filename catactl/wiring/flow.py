"""The flow of commands and events: the aggregate of each command, the events that it may lead to,
and the sagas and projections that listen to each event. `catactl topology` prints these tables.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from catactl.domain import file
from catactl.domain import job_configuration as job
from catactl.domain import organization as org
from catactl.domain.decider import Command, CommandEnvelope, Decider, Event, EventEnvelope
from catactl.projections import storage_usage as storage_usage_projection
from catactl.projections import storage_usage_days as storage_usage_days_projection
from catactl.projections import swept_content as swept_content_projection
from catactl.projections.projection import Projection
from catactl.sagas import job_inputs as job_inputs_saga
from catactl.sagas import storage_usage as storage_usage_saga
from catactl.store.file_store import FileStore
from catactl.store.job_configuration_store import JobConfigurationStore
from catactl.store.organization_store import OrganizationStore
from catactl.store.state_store import StateStore


@dataclass(frozen=True, eq=False)
class Aggregate:
    """`commands` maps each command to the events that it may lead to."""

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
    org.decider,
    OrganizationStore(),
    {
        org.CreateOrganization: (org.OrganizationCreated, org.QuotaSet),
        org.RenameOrganization: (org.OrganizationRenamed,),
        org.SetQuota: (org.QuotaSet,),
        org.ClearQuota: (org.QuotaCleared,),
        org.SuspendOrganization: (org.OrganizationSuspended,),
        org.ResumeOrganization: (org.OrganizationResumed,),
        org.DeleteOrganization: (org.OrganizationDeleted,),
        org.ChangeStorageUsage: (org.StorageUsageChanged,),
        org.CorrectStorageUsage: (org.StorageUsageCorrected,),
        org.SweepOrganizationContent: (org.OrganizationContentSwept,),
        org.CorrectClock: (org.OrganizationClockCorrected,),
    },
)
FILE = Aggregate(
    "file",
    file.decider,
    FileStore(),
    {
        file.CreateFile: (file.FileCreated,),
        file.UploadPart: (file.PartUploaded,),
        file.CompleteFile: (file.FileCompleted,),
        file.DeleteFile: (file.FileDeleted,),
        file.RestoreFile: (file.FileRestored,),
        file.SweepFileContent: (file.FileContentSwept,),
        file.LinkFile: (file.FileLinked,),
        file.UnlinkFile: (file.FileUnlinked,),
    },
)
JOB_CONFIGURATION = Aggregate(
    "job_configuration",
    job.decider,
    JobConfigurationStore(),
    {
        job.CreateJobConfiguration: (job.JobConfigurationCreated,),
        job.UpdateJobConfiguration: (job.JobConfigurationUpdated,),
        job.EnableJobConfiguration: (job.JobConfigurationEnabled,),
        job.DisableJobConfiguration: (job.JobConfigurationDisabled,),
        job.DeleteJobConfiguration: (job.JobConfigurationDeleted,),
    },
)

AGGREGATES: tuple[Aggregate, ...] = (ORGANIZATION, FILE, JOB_CONFIGURATION)

SAGAS: tuple[Saga, ...] = (
    Saga(
        "storage_usage",
        storage_usage_saga.react,
        listens=storage_usage_saga.LISTENS,
        sends=(org.ChangeStorageUsage,),
    ),
    Saga(
        "job_inputs",
        job_inputs_saga.react,
        listens=job_inputs_saga.LISTENS,
        sends=(file.LinkFile, file.UnlinkFile),
    ),
)

# The projections whose rows depend on the times from which events count. A correction of the clock
# rebuilds them.
DATED_PROJECTIONS: tuple[Projection, ...] = (
    storage_usage_projection,
    storage_usage_days_projection,
)
PROJECTIONS: tuple[Projection, ...] = (*DATED_PROJECTIONS, swept_content_projection)

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
    """Return the aggregate that handles a command."""
    return _AGGREGATE_OF[type(command)]


def aggregate_of_event(event: Event) -> Aggregate:
    """Return the aggregate whose streams hold an event."""
    return _AGGREGATE_OF_EVENT[type(event)]


def events_of(command: type[Command]) -> tuple[type[Event], ...]:
    """Return the events that a command may lead to."""
    return _AGGREGATE_OF[command].commands[command]


def command_leading_to(*events: type[Event]) -> type[Command]:
    """Return the command that may lead to all of these events, and to the fewest others."""
    commands = _AGGREGATE_OF_EVENT[events[0]].commands
    candidates = [command for command, possible in commands.items() if set(events) <= set(possible)]
    return min(candidates, key=lambda command: len(commands[command]))


def command_name(command: type[Command]) -> str:
    """Return a command's name for people, for example `upload part`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", command.__name__).lower()


def sagas_of(event: type[Event]) -> tuple[Saga, ...]:
    """Return the sagas that listen to an event."""
    return _SAGAS_OF[event]


def saga_between(event: type[Event], command: type[Command]) -> Saga:
    """Return the saga that reacts to an event with a command."""
    return next(saga for saga in _SAGAS_OF[event] if command in saga.sends)


def projections_of(event: type[Event]) -> tuple[Projection, ...]:
    """Return the projections that an event changes."""
    return tuple(each for each in PROJECTIONS if event in listens(each))


def listens(projection: Projection) -> tuple[type[Event], ...]:
    """Return the events that a projection applies, and the events that rebuild it."""
    if projection in DATED_PROJECTIONS:
        return (*projection.LISTENS, org.OrganizationClockCorrected)
    return projection.LISTENS


def reactions_to(envelope: EventEnvelope) -> list[CommandEnvelope]:
    """Return the commands with which the sagas react to an event."""
    return [
        reaction for saga in _SAGAS_OF[type(envelope.event)] for reaction in saga.react(envelope)
    ]
