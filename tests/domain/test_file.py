from dataclasses import replace
from uuid import UUID

import pytest

from catactl.domain.file import (
    CompleteFile,
    CreateFile,
    DeleteFile,
    File,
    FileCommand,
    FileCompleted,
    FileContentSwept,
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
    SweepFileContent,
    UnlinkFile,
    UploadPart,
    decider,
)
from catactl.domain.parts import Part, Parts
from catactl.errors import (
    AlreadyExists,
    Conflict,
    InUse,
    InvalidValue,
    NotFound,
    Refused,
)
from catactl.values.sizes import MAX_BYTES
from tests.domain.examples import class_name, examples_of
from tests.domain.scenario import Given
from tests.support import BYTES_1, BYTES_2, NOON

CREATED = FileCreated("data.bin", NOON)
FIRST = PartUploaded(1, 10, BYTES_1, False, 0, None)
SECOND = PartUploaded(2, 20, BYTES_2, False, 0, None)
COMPLETED = FileCompleted(30, 2)
STORED = PartUploaded(1, 10, BYTES_1, True, 0, None)
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


def test_a_stream_accepts_events_of_one_file() -> None:
    create = CreateFile("other.bin", NOON)
    given(CREATED).when(create).then_refused(AlreadyExists, "'data.bin' exists already")
    given(CREATED, FileDeleted(0, 0)).when(create).then_refused(AlreadyExists, "exists already")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a//b", "a\\b", "C:x"])
def test_a_name_that_leads_outside_the_folder_is_refused(name: str) -> None:
    given().when(CreateFile(name, NOON)).then_refused(InvalidValue, "file name")


@pytest.mark.parametrize("command", examples_of(FileCommand, CreateFile), ids=class_name)
def test_a_file_that_was_never_created_is_not_found(command: FileCommand) -> None:
    given().when(command).then_refused(NotFound, "no such file")


# --- parts ----------------------------------------------------------------------------------------


def test_a_part_is_uploaded() -> None:
    given(CREATED).when(UploadPart(1, 10, BYTES_1)).then(FIRST)
    assert list(state_after(CREATED, FIRST).parts) == [Part(1, 10, BYTES_1)]


@pytest.mark.parametrize("later", [(), (SECOND, COMPLETED)], ids=["uploading", "complete"])
def test_the_same_part_again_changes_nothing(later: tuple[FileEvent, ...]) -> None:
    given(CREATED, FIRST, *later).when(UploadPart(1, 10, BYTES_1)).then_nothing()


def test_other_content_replaces_a_part_and_the_event_holds_what_it_replaced() -> None:
    replaced = PartUploaded(1, 7, BYTES_2, False, replaced_bytes=10, replaced_sha256=BYTES_1)
    given(CREATED, FIRST).when(UploadPart(1, 7, BYTES_2)).then(replaced)
    assert list(state_after(CREATED, FIRST, replaced).parts) == [Part(1, 7, BYTES_2)]


def test_another_digest_of_the_same_size_replaces_a_part() -> None:
    given(CREATED, FIRST).when(UploadPart(1, 10, BYTES_2)).then(
        PartUploaded(1, 10, BYTES_2, False, replaced_bytes=10, replaced_sha256=BYTES_1)
    )


def test_another_size_with_the_same_digest_replaces_a_part() -> None:
    given(CREATED, FIRST).when(UploadPart(1, 11, BYTES_1)).then(
        PartUploaded(1, 11, BYTES_1, False, replaced_bytes=10, replaced_sha256=BYTES_1)
    )


def test_a_part_may_be_empty() -> None:
    given(CREATED).when(UploadPart(1, 0, BYTES_1)).then(PartUploaded(1, 0, BYTES_1, False, 0, None))


def test_the_event_holds_the_digest_of_a_replaced_empty_part() -> None:
    empty = PartUploaded(1, 0, BYTES_1, False, 0, None)
    given(CREATED, empty).when(UploadPart(1, 5, BYTES_2)).then(
        PartUploaded(1, 5, BYTES_2, False, replaced_bytes=0, replaced_sha256=BYTES_1)
    )


@pytest.mark.parametrize("number", [1, 10_000])
def test_part_numbers_run_from_1_to_10000(number: int) -> None:
    part = PartUploaded(number, 1, BYTES_1, False, 0, None)
    given(CREATED).when(UploadPart(number, 1, BYTES_1)).then(part)


@pytest.mark.parametrize("number", [-1, 0, 10_001])
def test_other_part_numbers_are_refused(number: int) -> None:
    upload = UploadPart(number, 1, BYTES_1)
    given(CREATED).when(upload).then_refused(InvalidValue, "part number")


@pytest.mark.parametrize("number", [-1, 0])
def test_a_number_out_of_range_never_replaces_another_part(number: int) -> None:
    full = [PartUploaded(n, 1, BYTES_1, False, 0, None) for n in (98, 99, 100)]
    upload = UploadPart(number, 1, BYTES_1)
    given(CREATED, *full).when(upload).then_refused(InvalidValue, "part number")


@pytest.mark.parametrize("size_bytes", [-1, MAX_BYTES + 1])
def test_a_size_out_of_range_is_refused(size_bytes: int) -> None:
    upload = UploadPart(1, size_bytes, BYTES_1)
    given(CREATED).when(upload).then_refused(InvalidValue, "size")


@pytest.mark.parametrize(
    "sha256", ["", "ab", BYTES_1.upper(), BYTES_1 + "0", BYTES_1[:-1] + "g", BYTES_1 + "\n"]
)
def test_an_invalid_digest_is_refused(sha256: str) -> None:
    upload = UploadPart(1, 1, sha256)
    given(CREATED).when(upload).then_refused(InvalidValue, "sha256 is not 64")


@pytest.mark.parametrize("stored", [False, True], ids=["recorded", "stored"])
@pytest.mark.parametrize(
    ("number", "size_bytes", "sha256"), [(3, 1, BYTES_1), (1, 10, BYTES_2), (1, 11, BYTES_1)]
)
def test_a_complete_file_refuses_other_parts(
    number: int, size_bytes: int, sha256: str, stored: bool
) -> None:
    complete = given(CREATED, FIRST, SECOND, COMPLETED)
    upload = UploadPart(number, size_bytes, sha256, stored)
    complete.when(upload).then_refused(Refused, "is complete, so other parts")


def test_a_deleted_file_refuses_new_and_known_parts() -> None:
    deleted = given(CREATED, FIRST, FileDeleted(10, 1))
    for number in (1, 2):
        upload = UploadPart(number, 10, BYTES_1, stored=True)
        deleted.when(upload).then_refused(Refused, "is deleted, so parts")


# --- stored content ------------------------------------------------------------------------------


def test_a_part_is_uploaded_with_stored_content() -> None:
    given(CREATED).when(UploadPart(1, 10, BYTES_1, stored=True)).then(STORED)
    assert list(state_after(CREATED, STORED).parts) == [Part(1, 10, BYTES_1, stored=True)]


@pytest.mark.parametrize("later", [(), (SECOND, COMPLETED)], ids=["uploading", "complete"])
def test_storing_the_content_of_a_recorded_part_does_not_change_its_size(
    later: tuple[FileEvent, ...],
) -> None:
    now_stored = PartUploaded(1, 10, BYTES_1, True, replaced_bytes=10, replaced_sha256=BYTES_1)
    before = (CREATED, FIRST, *later)
    given(*before).when(UploadPart(1, 10, BYTES_1, stored=True)).then(now_stored)
    assert state_after(*before, now_stored).parts.get(1) == Part(1, 10, BYTES_1, stored=True)


@pytest.mark.parametrize("stored", [False, True], ids=["recorded", "stored"])
@pytest.mark.parametrize("later", [(), (FileCompleted(10, 1),)], ids=["uploading", "complete"])
def test_a_stored_part_stays_stored_if_it_is_uploaded_again(
    later: tuple[FileEvent, ...], stored: bool
) -> None:
    given(CREATED, STORED, *later).when(UploadPart(1, 10, BYTES_1, stored)).then_nothing()


def test_other_content_that_is_kept_elsewhere_replaces_stored_content() -> None:
    replaced = PartUploaded(1, 10, BYTES_2, False, replaced_bytes=10, replaced_sha256=BYTES_1)
    given(CREATED, STORED).when(UploadPart(1, 10, BYTES_2)).then(replaced)
    assert list(state_after(CREATED, STORED, replaced).parts) == [Part(1, 10, BYTES_2)]


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
    parts = [PartUploaded(number, 1, BYTES_1, False, 0, None) for number in numbers]
    given(CREATED, *parts).when(CompleteFile()).then_refused(Refused, f"lacks part {missing} ")


def test_a_deleted_file_is_not_completed() -> None:
    deleted = given(CREATED, FIRST, FileDeleted(10, 1))
    for parts in (None, Parts.of([Part(1, 10, BYTES_1)])):
        deleted.when(CompleteFile(parts)).then_refused(Refused, "is deleted")


@pytest.mark.parametrize("stored", [False, True], ids=["recorded", "stored"])
def test_a_file_with_exactly_the_uploaded_parts_is_completed_once(stored: bool) -> None:
    complete = CompleteFile(Parts.of([Part(1, 10, BYTES_1, stored), Part(2, 20, BYTES_2)]))
    given(CREATED, FIRST, SECOND).when(complete).then(COMPLETED)
    given(CREATED, FIRST, SECOND, COMPLETED).when(complete).then_nothing()


@pytest.mark.parametrize("later", [(), (COMPLETED,)], ids=["uploading", "complete"])
@pytest.mark.parametrize(
    "uploaded",
    [
        [],
        [Part(1, 10, BYTES_1)],
        [Part(1, 10, BYTES_1), Part(2, 20, BYTES_2), Part(3, 0, BYTES_1)],
        [Part(1, 10, BYTES_1), Part(2, 20, BYTES_1)],
    ],
    ids=["none", "fewer", "more", "others"],
)
def test_a_file_with_other_parts_than_the_uploaded_ones_is_not_completed(
    uploaded: list[Part], later: tuple[FileEvent, ...]
) -> None:
    file = given(CREATED, FIRST, SECOND, *later)
    file.when(CompleteFile(Parts.of(uploaded))).then_refused(Conflict, "has parts that differ")


def test_a_file_with_a_gap_is_not_completed_even_with_exactly_the_uploaded_parts() -> None:
    complete = CompleteFile(Parts.of([Part(2, 20, BYTES_2)]))
    given(CREATED, SECOND).when(complete).then_refused(Refused, "lacks part 1 ")


# --- delete and restore ---------------------------------------------------------------------------


def test_deleting_a_file_releases_its_bytes_and_parts() -> None:
    given(CREATED, FIRST, SECOND).when(DeleteFile()).then(FileDeleted(30, 2))
    state = state_after(CREATED, FIRST, SECOND, COMPLETED, FileDeleted(30, 2))
    assert state.status is FileStatus.DELETED
    assert state.live_name is None


def test_deleting_releases_a_replaced_part_once() -> None:
    replaced = PartUploaded(1, 7, BYTES_2, False, 10, BYTES_1)
    given(CREATED, FIRST, replaced).when(DeleteFile()).then(FileDeleted(7, 1))


def test_a_file_cannot_be_deleted_twice() -> None:
    deleted = given(CREATED, FileDeleted(0, 0))
    deleted.when(DeleteFile()).then_refused(Refused, "is deleted already")


def test_restoring_a_file_charges_its_bytes_and_parts() -> None:
    deleted = given(CREATED, FIRST, SECOND, COMPLETED, FileDeleted(30, 2))
    deleted.when(RestoreFile()).then(FileRestored(30, 2))


def test_a_restored_file_equals_the_file_before_its_deletion() -> None:
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


# --- sweep ----------------------------------------------------------------------------------------


def test_sweeping_a_deleted_file_counts_only_stored_content() -> None:
    before = (CREATED, STORED, SECOND, FileDeleted(30, 2))
    given(*before).when(SweepFileContent()).then(FileContentSwept(10, 1))
    state = state_after(*before, FileContentSwept(10, 1))
    assert state == replace(state_after(*before), swept=True)


def test_sweeping_again_changes_nothing() -> None:
    swept = given(CREATED, STORED, FileDeleted(10, 1), FileContentSwept(10, 1))
    swept.when(SweepFileContent()).then_nothing()


@pytest.mark.parametrize("parts", [(), (FIRST,)], ids=["no parts", "recorded"])
def test_sweeping_a_file_without_stored_content_changes_nothing(
    parts: tuple[FileEvent, ...],
) -> None:
    given(CREATED, *parts, FileDeleted(0, 0)).when(SweepFileContent()).then_nothing()


@pytest.mark.parametrize(
    "later",
    [(), (FileCompleted(10, 1),), (FileDeleted(10, 1), FileRestored(10, 1))],
    ids=["uploading", "complete", "restored"],
)
def test_the_content_of_a_live_file_is_not_swept(later: tuple[FileEvent, ...]) -> None:
    live = given(CREATED, STORED, *later)
    live.when(SweepFileContent()).then_refused(Refused, "is not deleted, so its content")


def test_a_file_whose_content_was_swept_cannot_be_restored() -> None:
    swept = given(CREATED, STORED, FileDeleted(10, 1), FileContentSwept(10, 1))
    swept.when(RestoreFile()).then_refused(Refused, "was swept, so it cannot be restored")


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


def test_a_former_input_of_a_job_can_be_deleted() -> None:
    unlinked = given(CREATED, FileLinked(JOB_1), FileUnlinked(JOB_1))
    unlinked.when(DeleteFile()).then(FileDeleted(0, 0))


def test_an_input_still_accepts_parts() -> None:
    given(CREATED, FileLinked(JOB_1)).when(UploadPart(1, 10, BYTES_1)).then(FIRST)


def test_a_deleted_file_cannot_become_an_input() -> None:
    deleted = given(CREATED, FileDeleted(0, 0))
    deleted.when(LinkFile(JOB_1)).then_refused(Refused, "is deleted, so it cannot be an input")


# --- evolve ---------------------------------------------------------------------------------------


def test_a_new_file_has_no_parts() -> None:
    assert state_after(CREATED).parts == Parts()
