from uuid import UUID

import pytest

from catactl.domain.decider import CommandEnvelope, Event, EventEnvelope
from catactl.domain.file import LinkFile, UnlinkFile
from catactl.domain.job_configuration import (
    JobConfigurationCreated,
    JobConfigurationDeleted,
    JobConfigurationDisabled,
    JobConfigurationUpdated,
    JobSpec,
)
from catactl.sagas.job_inputs import LISTENS, react
from tests.support import NOON

ORG, JOB, A, B, C = (UUID(int=number) for number in range(1, 6))


def spec(*inputs: UUID) -> JobSpec:
    return JobSpec("nightly", "image", inputs=inputs)


@pytest.mark.parametrize(
    ("event", "commands"),
    [
        (JobConfigurationCreated(spec(), NOON), []),
        (
            JobConfigurationCreated(spec(A, B), NOON),
            [CommandEnvelope(A, LinkFile(JOB)), CommandEnvelope(B, LinkFile(JOB))],
        ),
        (
            JobConfigurationUpdated(spec(B, C), added_inputs=(C,), removed_inputs=(A,)),
            [CommandEnvelope(C, LinkFile(JOB)), CommandEnvelope(A, UnlinkFile(JOB))],
        ),
        (JobConfigurationUpdated(spec(A), added_inputs=(), removed_inputs=()), []),
        (
            JobConfigurationDeleted((A, B)),
            [CommandEnvelope(A, UnlinkFile(JOB)), CommandEnvelope(B, UnlinkFile(JOB))],
        ),
    ],
)
def test_added_inputs_are_linked_and_removed_inputs_are_unlinked(
    event: Event, commands: list[CommandEnvelope]
) -> None:
    assert react(EventEnvelope(ORG, JOB, event)) == commands


def test_it_listens_only_to_events_that_change_inputs() -> None:
    assert set(LISTENS) == {
        JobConfigurationCreated,
        JobConfigurationUpdated,
        JobConfigurationDeleted,
    }
    with pytest.raises(AssertionError, match="does not listen to JobConfigurationDisabled"):
        react(EventEnvelope(ORG, JOB, JobConfigurationDisabled()))
