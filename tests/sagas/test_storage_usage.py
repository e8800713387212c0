from uuid import UUID

import pytest

from catactl.domain.decider import CommandEnvelope, Event, EventEnvelope
from catactl.domain.file import (
    FileCompleted,
    FileCreated,
    FileDeleted,
    FileRestored,
    PartUploaded,
)
from catactl.domain.organization import ChangeStorageUsage
from catactl.sagas.storage_usage import LISTENS, react
from tests.support import BYTES_1, BYTES_2, NOON

ORG, FILE = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("event", "change"),
    [
        (FileCreated("a", NOON), ChangeStorageUsage(0, 1, 0)),
        (PartUploaded(1, 10, BYTES_1, False, 0, None), ChangeStorageUsage(10, 0, 1)),
        (PartUploaded(1, 0, BYTES_1, False, 0, None), ChangeStorageUsage(0, 0, 1)),
        (PartUploaded(1, 12, BYTES_2, False, 10, BYTES_1), ChangeStorageUsage(2, 0, 0)),
        (PartUploaded(1, 3, BYTES_2, False, 10, BYTES_1), ChangeStorageUsage(-7, 0, 0)),
        (PartUploaded(1, 10, BYTES_2, False, 10, BYTES_1), ChangeStorageUsage(0, 0, 0)),
        (PartUploaded(1, 10, BYTES_1, True, 10, BYTES_1), ChangeStorageUsage(0, 0, 0)),
        (PartUploaded(1, 5, BYTES_2, False, 0, BYTES_1), ChangeStorageUsage(5, 0, 0)),
        (FileDeleted(30, 2), ChangeStorageUsage(-30, -1, -2)),
        (FileDeleted(0, 0), ChangeStorageUsage(0, -1, 0)),
        (FileRestored(30, 2), ChangeStorageUsage(30, 1, 2)),
    ],
)
def test_each_event_that_changes_usage_leads_to_one_command_to_the_organization(
    event: Event, change: ChangeStorageUsage
) -> None:
    assert react(EventEnvelope(ORG, FILE, event)) == [CommandEnvelope(ORG, change)]


def test_it_listens_only_to_events_that_change_bytes_or_files() -> None:
    assert set(LISTENS) == {FileCreated, PartUploaded, FileDeleted, FileRestored}
    with pytest.raises(AssertionError, match="does not listen to FileCompleted"):
        react(EventEnvelope(ORG, FILE, FileCompleted(1, 1)))
