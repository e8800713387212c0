"""Results about content."""

from typing import NotRequired, TypedDict

from catactl.results.result import Uuid, columns


@columns(id="sha256")
class ContentProblem(TypedDict):
    """Content that is missing, damaged or orphaned."""

    problem: str
    org_id: Uuid
    file_id: Uuid | None
    name: str | None
    number: int | None
    sha256: str
    size_bytes: int
    where: str


class VerifiedContent(TypedDict):
    """The result of a verification of content. `elsewhere` counts parts without content."""

    files: int
    blobs: int
    read_bytes: int
    elsewhere: int
    missing: int
    damaged: int
    orphaned: int
    problems: list[ContentProblem]


class SweptOrganization(TypedDict):
    org_id: Uuid
    given_up_files: int
    removed_blobs: int
    removed_bytes: int
    abandoned_writes: int


class SweepResult(TypedDict):
    """The content that `blob gc` removed, in total and by organization."""

    given_up_files: int
    removed_blobs: int
    removed_bytes: int
    abandoned_writes: int
    organizations: list[SweptOrganization]
    dry_run: NotRequired[bool]
