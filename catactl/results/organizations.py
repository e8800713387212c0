"""Results about organizations."""

from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

from catactl.results.result import Time, Uuid, Written, columns, columns_like, result_from, written

if TYPE_CHECKING:
    from catactl.domain.organization import Organization
    from catactl.handling.unit_of_work import Outcome


@columns("org_id name status used_bytes quota_bytes created_at")
class OrganizationResult(TypedDict):
    org_id: Uuid
    name: str
    status: str
    used_bytes: int
    quota_bytes: int | None
    created_at: Time
    version: int


@columns_like(OrganizationResult)
class OrganizationWritten(OrganizationResult, Written):
    """An organization after a write."""


@columns("org_id name used_bytes quota_bytes used_percent")
class QuotaResult(OrganizationResult):
    """`used_percent` is rounded down."""

    used_percent: int


def organization_result(org_id: UUID, state: "Organization", version: int) -> OrganizationResult:
    others = {"org_id": org_id, "status": state.status.value, "version": version}
    return result_from(OrganizationResult, {**vars(state), **others})


def organization_written(outcome: "Outcome") -> OrganizationWritten:
    """Return the organization after a command to it."""
    result = organization_result(outcome.org_id, outcome.state, outcome.version)
    return {**result, **written(outcome)}
