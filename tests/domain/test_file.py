from uuid import UUID

import pytest

from catactl.domain.file import (
    CompleteFile,
    CreateFile,
    DeleteFile,
    File,
    FileCommand,
    FileCompleted,
    FileCreated,
    FileDeleted,
    FileEvent,
    FileLinked,
    FileRestored,
    FileStatus,
    FileUnlinked,
    LinkFile,
    PartUploaded,
    RestoreFile,
    UnlinkFile,
    UploadPart,
    decider,
    evolve,
)
from catactl.domain.parts import Part, Parts
from catactl.domain.sizes import MAX_BYTES
from catactl.errors import AlreadyExists, CorruptLog, InUse, InvalidValue, NotFound, Refused
from tests.domain.scenario import Given
from tests.support import BYTES_1, BYTES_2, NOON

CREATED = FileCreated("data.bin", NOON)
FIRST = PartUploaded(1, 10, BYTES_1, 0, None)
SECOND = PartUploaded(2, 20, BYTES_2, 0, None)
COMPLETED = FileCompleted(30, 2)
JOB_1 = UUID(int=1)
JOB_2 = UUID(int=2)


def given(*events: FileEvent) -> Given[File, FileCommand, FileEvent]:
    return Given(decider, events)


def state_after(*events: FileEvent) -> File:
    state = given(*events).state
    assert state is not None
    return state


# --- create ---------------------------------------------------------------------------------------


def test_a_file_is_created_empty_and_uploading() -> None:
    given().when(CreateFile("data.bin", NOON)).then(CREATED)
    state = state_after(CREATED)
    assert state == File("data.bin", NOON)
    assert state.status is FileStatus.UPLOADING
    assert state.live_name == "data.bin"


def test_a_stream_holds_one_file_alone() -> None:
    create = CreateFile("other.bin", NOON)
    given(CREATED).when(create).then_refused(AlreadyExists, "'data.bin' exists already")
    given(CREATED, FileDeleted(0, 0)).when(create).then_refused(AlreadyExists, "exists already")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a//b", "a\\b", "C:x"])
def test_a_file_takes_no_name_that_leads_elsewhere(name: str) -> None:
    given().when(CreateFile(name, NOON)).then_refused(InvalidValue, "file name")


@pytest.mark.parametrize(
    "command",
    [
        UploadPart(1, 1, BYTES_1),
        CompleteFile(),
        DeleteFile(),
        RestoreFile(),
        LinkFile(JOB_1),
        UnlinkFile(JOB_1),
    ],
    ids=lambda command: type(command).__name__,
)
def test_what_was_never_created_is_not_found(command: FileCommand) -> None:
    given().when(command).then_refused(NotFound, "no such file")


# --- parts ----------------------------------------------------------------------------------------


def test_a_part_is_uploaded() -> None:
    given(CREATED).when(UploadPart(1, 10, BYTES_1)).then(FIRST)
    assert list(state_after(CREATED, FIRST).parts) == [Part(1, 10, BYTES_1)]


def test_the_same_part_again_changes_nothing() -> None:
    given(CREATED, FIRST).when(UploadPart(1, 10, BYTES_1)).then_nothing()


def test_other_content_replaces_a_part_and_says_what_it_replaced() -> None:
    replaced = PartUploaded(1, 7, BYTES_2, replaced_bytes=10, replaced_sha256=BYTES_1)
    given(CREATED, FIRST).when(UploadPart(1, 7, BYTES_2)).then(replaced)
    assert list(state_after(CREATED, FIRST, replaced).parts) == [Part(1, 7, BYTES_2)]


def test_another_digest_of_the_same_size_replaces_a_part() -> None:
    given(CREATED, FIRST).when(UploadPart(1, 10, BYTES_2)).then(
        PartUploaded(1, 10, BYTES_2, replaced_bytes=10, replaced_sha256=BYTES_1)
    )


def test_another_size_with_the_same_digest_replaces_a_part() -> None:
    given(CREATED, FIRST).when(UploadPart(1, 11, BYTES_1)).then(
        PartUploaded(1, 11, BYTES_1, replaced_bytes=10, replaced_sha256=BYTES_1)
    )


def test_a_part_may_be_empty() -> None:
    given(CREATED).when(UploadPart(1, 0, BYTES_1)).then(PartUploaded(1, 0, BYTES_1, 0, None))


def test_replacing_an_empty_part_still_says_that_there_was_one() -> None:
    empty = PartUploaded(1, 0, BYTES_1, 0, None)
    given(CREATED, empty).when(UploadPart(1, 5, BYTES_2)).then(
        PartUploaded(1, 5, BYTES_2, replaced_bytes=0, replaced_sha256=BYTES_1)
    )


@pytest.mark.parametrize("number", [1, 10_000])
def test_part_numbers_run_from_1_to_10000(number: int) -> None:
    part = PartUploaded(number, 1, BYTES_1, 0, None)
    given(CREATED).when(UploadPart(number, 1, BYTES_1)).then(part)


@pytest.mark.parametrize("number", [-1, 0, 10_001])
def test_other_part_numbers_are_refused(number: int) -> None:
    upload = UploadPart(number, 1, BYTES_1)
    given(CREATED).when(upload).then_refused(InvalidValue, "part number")


@pytest.mark.parametrize("number", [-1, 0])
def test_a_number_out_of_range_never_reaches_another_part(number: int) -> None:
    full = [PartUploaded(n, 1, BYTES_1, 0, None) for n in (98, 99, 100)]
    upload = UploadPart(number, 1, BYTES_1)
    given(CREATED, *full).when(upload).then_refused(InvalidValue, "part number")


@pytest.mark.parametrize("size_bytes", [-1, MAX_BYTES + 1])
def test_a_size_out_of_range_is_refused(size_bytes: int) -> None:
    upload = UploadPart(1, size_bytes, BYTES_1)
    given(CREATED).when(upload).then_refused(InvalidValue, "size")


@pytest.mark.parametrize(
    "sha256", ["", "ab", BYTES_1.upper(), BYTES_1 + "0", BYTES_1[:-1] + "g", BYTES_1 + "\n"]
)
def test_what_is_no_digest_is_refused(sha256: str) -> None:
    upload = UploadPart(1, 1, sha256)
    given(CREATED).when(upload).then_refused(InvalidValue, "sha256 is not 64")


def test_a_complete_file_takes_no_parts() -> None:
    complete = given(CREATED, FIRST, SECOND, COMPLETED)
    complete.when(UploadPart(3, 1, BYTES_1)).then_refused(Refused, "is complete and takes no parts")
    complete.when(UploadPart(1, 10, BYTES_1)).then_refused(Refused, "takes no parts")


def test_a_deleted_file_takes_no_parts() -> None:
    given(CREATED, FileDeleted(0, 0)).when(UploadPart(1, 1, BYTES_1)).then_refused(
        Refused, "is deleted and takes no parts"
    )


# --- complete -------------------------------------------------------------------------------------


def test_a_file_is_completed_with_its_size_and_number_of_parts() -> None:
    given(CREATED, FIRST, SECOND).when(CompleteFile()).then(COMPLETED)
    assert state_after(CREATED, FIRST, SECOND, COMPLETED).status is FileStatus.COMPLETE


def test_a_file_without_parts_is_complete_as_an_empty_file() -> None:
    given(CREATED).when(CompleteFile()).then(FileCompleted(0, 0))


def test_completing_again_changes_nothing() -> None:
    given(CREATED, FIRST, SECOND, COMPLETED).when(CompleteFile()).then_nothing()


@pytest.mark.parametrize(
    ("numbers", "missing"), [([2], "1"), ([1, 3], "2"), ([1, 2, 10_000], "3"), ([101], "1")]
)
def test_a_file_with_a_gap_is_not_completed(numbers: list[int], missing: str) -> None:
    parts = [PartUploaded(number, 1, BYTES_1, 0, None) for number in numbers]
    given(CREATED, *parts).when(CompleteFile()).then_refused(Refused, f"lacks part {missing} ")


def test_a_deleted_file_is_not_completed() -> None:
    deleted = given(CREATED, FIRST, FileDeleted(10, 1))
    deleted.when(CompleteFile()).then_refused(Refused, "is deleted")


# --- delete and restore ---------------------------------------------------------------------------


def test_deleting_a_file_releases_what_it_holds() -> None:
    given(CREATED, FIRST, SECOND).when(DeleteFile()).then(FileDeleted(30, 2))
    state = state_after(CREATED, FIRST, SECOND, COMPLETED, FileDeleted(30, 2))
    assert state.status is FileStatus.DELETED
    assert state.live_name is None


def test_deleting_releases_a_replaced_part_once() -> None:
    replaced = PartUploaded(1, 7, BYTES_2, 10, BYTES_1)
    given(CREATED, FIRST, replaced).when(DeleteFile()).then(FileDeleted(7, 1))


def test_a_file_cannot_be_deleted_twice() -> None:
    deleted = given(CREATED, FileDeleted(0, 0))
    deleted.when(DeleteFile()).then_refused(Refused, "is deleted already")


def test_restoring_a_file_charges_what_it_holds() -> None:
    deleted = given(CREATED, FIRST, SECOND, COMPLETED, FileDeleted(30, 2))
    deleted.when(RestoreFile()).then(FileRestored(30, 2))


def test_a_restored_file_is_what_it_was() -> None:
    for before in ((CREATED, FIRST), (CREATED, FIRST, SECOND, COMPLETED)):
        after = (*before, FileDeleted(0, 0), FileRestored(0, 0))
        assert given(*after).state == given(*before).state


def test_a_live_file_cannot_be_restored() -> None:
    given(CREATED).when(RestoreFile()).then_refused(Refused, "is not deleted")
    restored = given(CREATED, FileDeleted(0, 0), FileRestored(0, 0))
    restored.when(RestoreFile()).then_refused(Refused, "is not deleted")


def test_a_restored_file_can_be_deleted_again() -> None:
    restored = given(CREATED, FIRST, FileDeleted(10, 1), FileRestored(10, 1))
    restored.when(DeleteFile()).then(FileDeleted(10, 1))


# --- links ----------------------------------------------------------------------------------------


def test_a_file_is_linked_to_each_job_once() -> None:
    given(CREATED).when(LinkFile(JOB_1)).then(FileLinked(JOB_1))
    given(CREATED, FileLinked(JOB_1)).when(LinkFile(JOB_1)).then_nothing()
    given(CREATED, FileLinked(JOB_1)).when(LinkFile(JOB_2)).then(FileLinked(JOB_2))


def test_a_file_is_unlinked_from_a_job_it_is_linked_to() -> None:
    given(CREATED, FileLinked(JOB_1)).when(UnlinkFile(JOB_1)).then(FileUnlinked(JOB_1))
    given(CREATED, FileLinked(JOB_1)).when(UnlinkFile(JOB_2)).then_nothing()


def test_an_input_of_a_job_is_not_deleted() -> None:
    linked = given(CREATED, FileLinked(JOB_1), FileLinked(JOB_2))
    linked.when(DeleteFile()).then_refused(InUse, f"input of job configuration {JOB_1}, {JOB_2}")


def test_what_is_no_input_any_more_is_deleted() -> None:
    unlinked = given(CREATED, FileLinked(JOB_1), FileUnlinked(JOB_1))
    unlinked.when(DeleteFile()).then(FileDeleted(0, 0))


def test_an_input_still_takes_parts() -> None:
    given(CREATED, FileLinked(JOB_1)).when(UploadPart(1, 10, BYTES_1)).then(FIRST)


def test_a_deleted_file_can_be_no_input() -> None:
    deleted = given(CREATED, FileDeleted(0, 0))
    deleted.when(LinkFile(JOB_1)).then_refused(Refused, "is deleted and can be no input")


# --- evolve ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [FIRST, COMPLETED, FileDeleted(0, 0), FileRestored(0, 0), FileLinked(JOB_1)],
    ids=lambda event: type(event).__name__,
)
def test_a_stream_without_a_beginning_is_corrupt(event: FileEvent) -> None:
    with pytest.raises(CorruptLog, match="without FileCreated"):
        evolve(None, event)


def test_a_new_files_parts_are_none() -> None:
    assert state_after(CREATED).parts == Parts()
