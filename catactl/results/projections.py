"""Results about projections and stored rows."""

from typing import NotRequired, TypedDict

from catactl.results.error import ErrorResult
from catactl.results.result import columns


class ProjectionResult(TypedDict):
    """A projection, the types of the events that it listens to, and its number of rows."""

    name: str
    listens: list[str]
    rows: int


class DifferenceResult(TypedDict):
    """A stored row that differs from the events. `problem` is changed, missing or extra.

    Only a changed row has a column.
    """

    table: str
    key: str
    problem: str
    column: str | None
    stored: str | None
    from_events: str | None


@columns("org_id name table key problem column stored from_events")
class OrganizationDifference(DifferenceResult):
    """A difference with its organization."""

    org_id: str
    name: str | None


class CheckedOrganization(TypedDict):
    """The differences of an organization's rows; `rows` has the first of them."""

    org_id: str
    name: str | None
    differences: int
    rows: list[DifferenceResult]
    error: ErrorResult | None


class RowsChecked(TypedDict):
    checked: int
    differing: int
    organizations: list[CheckedOrganization]


@columns("name organizations events")
class RebuiltProjection(TypedDict):
    name: str
    organizations: int
    events: int
    dry_run: NotRequired[bool]
