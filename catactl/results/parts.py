"""Results about parts of files."""

from typing import TYPE_CHECKING, TypedDict

from catactl.results.result import Uuid, columns_like
from catactl.results.written import Written, written

if TYPE_CHECKING:
    from catactl.handling.unit_of_work import Outcome


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
