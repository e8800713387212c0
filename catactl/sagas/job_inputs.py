"""Link a job configuration to its input files, so that a file that is in use cannot be deleted."""

from uuid import UUID

from catactl.domain.decider import CommandEnvelope, Event, EventEnvelope
from catactl.domain.file import LinkFile, UnlinkFile
from catactl.domain.job_configuration import (
    JobConfigurationCreated,
    JobConfigurationDeleted,
    JobConfigurationUpdated,
)

LISTENS: tuple[type[Event], ...] = (
    JobConfigurationCreated,
    JobConfigurationUpdated,
    JobConfigurationDeleted,
)


def react(envelope: EventEnvelope) -> list[CommandEnvelope]:
    added: tuple[UUID, ...] = ()
    removed: tuple[UUID, ...] = ()
    match envelope.event:
        case JobConfigurationCreated() as event:
            added = event.spec.inputs
        case JobConfigurationUpdated() as event:
            added, removed = event.added_inputs, event.removed_inputs
        case JobConfigurationDeleted() as event:
            removed = event.released_inputs
        case other:
            raise AssertionError(f"job inputs does not listen to {type(other).__name__}")
    job_id = envelope.stream_id
    return [CommandEnvelope(file_id, LinkFile(job_id)) for file_id in added] + [
        CommandEnvelope(file_id, UnlinkFile(job_id)) for file_id in removed
    ]
