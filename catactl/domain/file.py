"""A file: its name, its parts, its status, and the job configurations that use it as an input."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, assert_never
from uuid import UUID

from catactl.domain.decider import Command, Decider, Event, fast_replace, wrong_stream
from catactl.domain.parts import Part, Parts
from catactl.errors import AlreadyExists, Conflict, CorruptLog, InUse, NotFound, Refused
from catactl.values.digests import check_sha256
from catactl.values.names import check_file_name
from catactl.values.numbers import check_part_number
from catactl.values.sizes import check_size_bytes

# --- events ---------------------------------------------------------------------------------------


class FileCreated(Event):
    name: str
    created_at: datetime


class PartUploaded(Event):
    """`stored` is true if our blob store holds the content, false if it is kept elsewhere.

    If the part replaced none, `replaced_sha256` is null and `replaced_bytes` is 0.
    """

    number: int
    size_bytes: int
    sha256: str
    stored: bool
    replaced_bytes: int
    replaced_sha256: str | None


class FileCompleted(Event):
    size_bytes: int
    part_count: int


class FileDeleted(Event):
    released_bytes: int
    released_parts: int


class FileRestored(Event):
    charged_bytes: int
    charged_parts: int


class FileContentSwept(Event):
    """The content of a deleted file may be removed, so the file cannot be restored."""

    swept_bytes: int
    swept_parts: int


class FileLinked(Event):
    job_id: UUID


class FileUnlinked(Event):
    job_id: UUID


FileEvent = (
    FileCreated
    | PartUploaded
    | FileCompleted
    | FileDeleted
    | FileRestored
    | FileContentSwept
    | FileLinked
    | FileUnlinked
)

# --- state ----------------------------------------------------------------------------------------


class FileStatus(StrEnum):
    UPLOADING = "uploading"
    COMPLETE = "complete"
    DELETED = "deleted"


@dataclass(frozen=True)
class File:
    """`linked_by` holds the ids of the job configurations that use the file as an input.

    `swept` is true if the content of a deleted file may have been removed.
    """

    name: str
    created_at: datetime
    completed: bool = False
    deleted: bool = False
    swept: bool = False
    parts: Parts = field(default_factory=Parts)
    linked_by: frozenset[UUID] = frozenset()

    @property
    def status(self) -> FileStatus:
        if self.deleted:
            return FileStatus.DELETED
        return FileStatus.COMPLETE if self.completed else FileStatus.UPLOADING

    @property
    def live_name(self) -> str | None:
        return None if self.deleted else self.name


def evolve(state: File | None, event: FileEvent) -> File:
    if isinstance(event, FileCreated):
        return File(name=event.name, created_at=event.created_at)
    if state is None:
        raise CorruptLog(f"{type(event).__name__} in a stream without FileCreated")
    match event:
        case PartUploaded():
            part = Part(event.number, event.size_bytes, event.sha256, event.stored)
            return fast_replace(state, parts=state.parts.with_part(part))
        case FileCompleted():
            return fast_replace(state, completed=True)
        case FileDeleted():
            return fast_replace(state, deleted=True)
        case FileRestored():
            return fast_replace(state, deleted=False)
        case FileContentSwept():
            return fast_replace(state, swept=True)
        case FileLinked():
            return fast_replace(state, linked_by=state.linked_by | {event.job_id})
        case FileUnlinked():
            return fast_replace(state, linked_by=state.linked_by - {event.job_id})
        case _:
            raise wrong_stream(event)


# --- commands -------------------------------------------------------------------------------------


class CreateFile(Command):
    needs_active_organization: ClassVar[bool] = True
    name: str
    created_at: datetime


class UploadPart(Command):
    """`stored` is true if the sender has found the content in our blob store, under the lock.
    Otherwise the content is kept elsewhere.
    """

    needs_active_organization: ClassVar[bool] = True
    number: int
    size_bytes: int
    sha256: str
    stored: bool = False


class CompleteFile(Command):
    """With `parts`, the file must consist of exactly these parts, so that it is not completed with
    a part from another client.
    """

    parts: Parts | None = None


class DeleteFile(Command):
    pass


class RestoreFile(Command):
    needs_active_organization: ClassVar[bool] = True


class SweepFileContent(Command):
    """Allow the content of a deleted file to be removed after the commit."""


class LinkFile(Command):
    """Only the job inputs saga sends it."""

    job_id: UUID


class UnlinkFile(Command):
    """Only the job inputs saga sends it."""

    job_id: UUID


FileCommand = (
    CreateFile
    | UploadPart
    | CompleteFile
    | DeleteFile
    | RestoreFile
    | SweepFileContent
    | LinkFile
    | UnlinkFile
)


def decide(state: File | None, command: FileCommand) -> list[FileEvent]:
    if isinstance(command, CreateFile):
        if state is not None:
            raise AlreadyExists(f"file {state.name!r} exists already")
        return [FileCreated(check_file_name(command.name), command.created_at)]
    if state is None:
        raise NotFound("no such file")
    match command:
        case UploadPart():
            return _upload_part(state, command)
        case CompleteFile():
            return _complete(state, command)
        case DeleteFile():
            return [_delete(state)]
        case RestoreFile():
            return [_restore(state)]
        case SweepFileContent():
            return _sweep_content(state)
        case LinkFile():
            if state.deleted:
                raise Refused(f"file {state.name!r} is deleted, so it cannot be an input of a job")
            return [] if command.job_id in state.linked_by else [FileLinked(command.job_id)]
        case UnlinkFile():
            return [FileUnlinked(command.job_id)] if command.job_id in state.linked_by else []
        case _:
            assert_never(command)


def _upload_part(state: File, command: UploadPart) -> list[FileEvent]:
    if state.deleted:
        raise Refused(f"file {state.name!r} is deleted, so parts cannot be uploaded")
    check_sha256(command.sha256)
    part = Part(
        check_part_number(command.number),
        check_size_bytes(command.size_bytes),
        command.sha256,
        command.stored,
    )
    replaced = state.parts.get(part.number)
    is_same = replaced is not None and replaced.has_same_content(part)
    if replaced is not None and is_same and (replaced.stored or not part.stored):
        return []
    if state.completed and not is_same:
        raise Refused(
            f"file {state.name!r} is complete, so other parts cannot be uploaded",
            "delete it and upload it again, or upload to a file of another name",
        )
    return [
        PartUploaded(
            number=part.number,
            size_bytes=part.size_bytes,
            sha256=part.sha256,
            stored=part.stored,
            replaced_bytes=replaced.size_bytes if replaced else 0,
            replaced_sha256=replaced.sha256 if replaced else None,
        )
    ]


def _complete(state: File, command: CompleteFile) -> list[FileEvent]:
    if state.deleted:
        raise Refused(f"file {state.name!r} is deleted")
    if command.parts is not None and not state.parts.have_same_content(command.parts):
        raise Conflict(
            f"file {state.name!r} has parts that differ from the uploaded parts",
            "wait for other clients that upload to it, or delete it and upload it again",
        )
    if state.completed:
        return []
    missing = state.parts.first_missing()
    if missing is not None:
        raise Refused(
            f"file {state.name!r} lacks part {missing:,} and cannot be completed",
            "upload the part, then complete the file again",
        )
    return [FileCompleted(state.parts.size_bytes, state.parts.count)]


def _delete(state: File) -> FileDeleted:
    if state.deleted:
        raise Refused(f"file {state.name!r} is deleted already")
    if state.linked_by:
        jobs = ", ".join(sorted(map(str, state.linked_by)))
        raise InUse(
            f"file {state.name!r} is in use as an input of job configuration {jobs}",
            "change the inputs of the job, or delete the job, first",
        )
    return FileDeleted(state.parts.size_bytes, state.parts.count)


def _restore(state: File) -> FileRestored:
    if not state.deleted:
        raise Refused(f"file {state.name!r} is not deleted")
    if state.swept:
        raise Refused(
            f"the content of file {state.name!r} was swept, so it cannot be restored",
            "upload it again",
        )
    return FileRestored(state.parts.size_bytes, state.parts.count)


def _sweep_content(state: File) -> list[FileEvent]:
    if not state.deleted:
        raise Refused(f"file {state.name!r} is not deleted, so its content cannot be swept")
    if state.swept:
        return []
    stored = [part for part in state.parts if part.stored]
    if not stored:
        return []
    return [FileContentSwept(sum(part.size_bytes for part in stored), len(stored))]


decider = Decider(decide, evolve)
