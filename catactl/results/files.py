"""Results about files and their parts."""

from typing import TYPE_CHECKING, NotRequired, TypedDict
from uuid import UUID

from catactl.results.error import ErrorResult
from catactl.results.result import Time, Uuid, Written, columns, columns_like, written
from catactl.store.canonical_json import format_instant

if TYPE_CHECKING:
    from catactl.domain.file import File
    from catactl.handling.unit_of_work import Outcome


@columns("file_id name status size_bytes part_count created_at")
class FileResult(TypedDict):
    """A file. `linked_by` holds the ids of the job configurations that use it as an input."""

    org_id: Uuid
    file_id: Uuid
    name: str
    status: str
    size_bytes: int
    part_count: int
    linked_by: list[str]
    content_swept: bool
    created_at: Time
    version: int


@columns_like(FileResult)
class FileWritten(FileResult, Written):
    """A file after a write."""


class FileUploaded(FileWritten):
    """A file after an upload. `outcome` is uploaded, resumed or unchanged."""

    outcome: str
    stored_bytes: int
    skipped_bytes: int


@columns("file_id name outcome size_bytes stored_bytes path")
class UploadResult(TypedDict):
    """The result for one file of an upload. A failed one has an error and few other fields.

    `outcome` is uploaded, resumed, unchanged or failed. `stored_bytes` were put into the blob
    store, `skipped_bytes` were already there.
    """

    file_id: Uuid | None
    name: str
    path: str
    outcome: str
    error: ErrorResult | None
    stored_bytes: int
    skipped_bytes: int
    org_id: NotRequired[Uuid]
    status: NotRequired[str]
    size_bytes: NotRequired[int]
    part_count: NotRequired[int]
    linked_by: NotRequired[list[str]]
    content_swept: NotRequired[bool]
    created_at: NotRequired[Time]
    version: NotRequired[int]
    position: NotRequired[int]
    events: NotRequired[list[str]]
    dry_run: NotRequired[bool]


@columns("file_id name outcome size_bytes path")
class DownloadResult(TypedDict):
    """The result for one file of a download. A failed one has an error and few other fields.

    `outcome` is downloaded, resumed, unchanged or failed.
    """

    file_id: Uuid
    name: str
    outcome: str
    error: ErrorResult | None
    org_id: NotRequired[Uuid]
    size_bytes: NotRequired[int]
    part_count: NotRequired[int]
    resumed_bytes: NotRequired[int]
    path: NotRequired[str]


def file_result(org_id: UUID, file_id: UUID, state: "File", version: int) -> FileResult:
    return {
        "org_id": str(org_id),
        "file_id": str(file_id),
        "name": state.name,
        "status": state.status.value,
        "size_bytes": state.parts.size_bytes,
        "part_count": state.parts.count,
        "linked_by": sorted(map(str, state.linked_by)),
        "content_swept": state.swept,
        "created_at": format_instant(state.created_at),
        "version": version,
    }


def file_written(outcome: "Outcome") -> FileWritten:
    """Return the file after a command to it."""
    result = file_result(outcome.org_id, outcome.stream_id, outcome.state, outcome.version)
    return {**result, **written(outcome)}


class ListedPart(TypedDict):
    """A part in the list of its file's parts. `stored` parts have content in the blob store."""

    number: int
    size_bytes: int
    sha256: str
    stored: bool


@columns_like(ListedPart)
class PartResult(TypedDict):
    """A part, with the version of its file."""

    org_id: Uuid
    file_id: Uuid
    number: int
    size_bytes: int
    sha256: str
    stored: bool
    version: int


@columns_like(ListedPart)
class PartWritten(PartResult, Written):
    """A part after a write."""


def part_written(outcome: "Outcome", number: int) -> PartWritten:
    """Return a part after a command to its file."""
    part = outcome.state.parts.get(number)
    result: PartResult = {
        "org_id": str(outcome.org_id),
        "file_id": str(outcome.stream_id),
        "number": part.number,
        "size_bytes": part.size_bytes,
        "sha256": part.sha256,
        "stored": part.stored,
        "version": outcome.version,
    }
    return {**result, **written(outcome)}
