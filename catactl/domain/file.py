"""A file: a name, its parts, whether it is finished, and which job configurations read it."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, assert_never
from uuid import UUID

from catactl.domain.decider import Command, Decider, Event
from catactl.domain.names import check_file_name
from catactl.domain.parts import Part, Parts, check_part_number
from catactl.domain.sizes import check_size_bytes
from catactl.errors import AlreadyExists, CorruptLog, InUse, InvalidValue, NotFound, Refused

_SHA256 = re.compile(r"[0-9a-f]{64}")

# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileCreated(Event):
    name: str
    created_at: datetime


@dataclass(frozen=True)
class PartUploaded(Event):
    """`replaced_sha256` is null when the number was free, and `replaced_bytes` then 0."""

    number: int
    size_bytes: int
    sha256: str
    replaced_bytes: int
    replaced_sha256: str | None


@dataclass(frozen=True)
class FileCompleted(Event):
    size_bytes: int
    part_count: int


@dataclass(frozen=True)
class FileDeleted(Event):
    released_bytes: int
    released_parts: int


@dataclass(frozen=True)
class FileRestored(Event):
    charged_bytes: int
    charged_parts: int


@dataclass(frozen=True)
class FileLinked(Event):
    job_id: UUID


@dataclass(frozen=True)
class FileUnlinked(Event):
    job_id: UUID


FileEvent = (
    FileCreated
    | PartUploaded
    | FileCompleted
    | FileDeleted
    | FileRestored
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
    """`linked_by` holds the ids of the job configurations that name the file as an input."""

    name: str
    created_at: datetime
    completed: bool = False
    deleted: bool = False
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
            part = Part(event.number, event.size_bytes, event.sha256)
            return replace(state, parts=state.parts.with_part(part))
        case FileCompleted():
            return replace(state, completed=True)
        case FileDeleted():
            return replace(state, deleted=True)
        case FileRestored():
            return replace(state, deleted=False)
        case FileLinked():
            return replace(state, linked_by=state.linked_by | {event.job_id})
        case FileUnlinked():
            return replace(state, linked_by=state.linked_by - {event.job_id})
        case _:
            assert_never(event)


# --- commands -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CreateFile(Command):
    adds: ClassVar[bool] = True
    name: str
    created_at: datetime


@dataclass(frozen=True)
class UploadPart(Command):
    adds: ClassVar[bool] = True
    number: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class CompleteFile(Command):
    pass


@dataclass(frozen=True)
class DeleteFile(Command):
    pass


@dataclass(frozen=True)
class RestoreFile(Command):
    adds: ClassVar[bool] = True


@dataclass(frozen=True)
class LinkFile(Command):
    """Sent by the job inputs saga alone."""

    job_id: UUID


@dataclass(frozen=True)
class UnlinkFile(Command):
    """Sent by the job inputs saga alone."""

    job_id: UUID


FileCommand = (
    CreateFile | UploadPart | CompleteFile | DeleteFile | RestoreFile | LinkFile | UnlinkFile
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
            return _complete(state)
        case DeleteFile():
            return [_delete(state)]
        case RestoreFile():
            if not state.deleted:
                raise Refused(f"file {state.name!r} is not deleted")
            return [FileRestored(state.parts.size_bytes, state.parts.count)]
        case LinkFile():
            if state.deleted:
                raise Refused(f"file {state.name!r} is deleted and can be no input")
            return [] if command.job_id in state.linked_by else [FileLinked(command.job_id)]
        case UnlinkFile():
            return [FileUnlinked(command.job_id)] if command.job_id in state.linked_by else []
        case _:
            assert_never(command)


def _upload_part(state: File, command: UploadPart) -> list[FileEvent]:
    if state.status is not FileStatus.UPLOADING:
        raise Refused(f"file {state.name!r} is {state.status} and takes no parts")
    if not _SHA256.fullmatch(command.sha256):
        raise InvalidValue(
            "sha256 is not 64 lower-case hexadecimal digits", "as sha256sum prints it"
        )
    part = Part(
        check_part_number(command.number), check_size_bytes(command.size_bytes), command.sha256
    )
    replaced = state.parts.get(part.number)
    if part == replaced:
        return []
    return [
        PartUploaded(
            number=part.number,
            size_bytes=part.size_bytes,
            sha256=part.sha256,
            replaced_bytes=replaced.size_bytes if replaced else 0,
            replaced_sha256=replaced.sha256 if replaced else None,
        )
    ]


def _complete(state: File) -> list[FileEvent]:
    if state.deleted:
        raise Refused(f"file {state.name!r} is deleted")
    if state.completed:
        return []
    missing = state.parts.first_missing()
    if missing is not None:
        raise Refused(
            f"file {state.name!r} lacks part {missing:,} and cannot be completed",
            "upload it, then complete the file again",
        )
    return [FileCompleted(state.parts.size_bytes, state.parts.count)]


def _delete(state: File) -> FileDeleted:
    if state.deleted:
        raise Refused(f"file {state.name!r} is deleted already")
    if state.linked_by:
        jobs = ", ".join(sorted(map(str, state.linked_by)))
        raise InUse(
            f"file {state.name!r} is in use as an input of job configuration {jobs}",
            "let the job name other inputs, or delete it, first",
        )
    return FileDeleted(state.parts.size_bytes, state.parts.count)


decider = Decider(decide, evolve)
