"""Writes of organizations."""

from catactl.domain.organization import (
    ClearQuota,
    CorrectClock,
    CreateOrganization,
    DeleteOrganization,
    RenameOrganization,
    ResumeOrganization,
    SetQuota,
    SuspendOrganization,
)
from catactl.errors import AlreadyExists, ConfirmationRequired
from catactl.handling.operation_scope import OperationScope
from catactl.operations.arguments import Confirmation, Name
from catactl.operations.operation import operation
from catactl.queries.organizations import get_organization
from catactl.queries.usage import get_usage
from catactl.results.organizations import OrganizationWritten, organization_written
from catactl.results.written import Written
from catactl.store import name_lookup
from catactl.values.spelling import normalized


@operation("org.create", creates=True)
def create_organization(
    scope: OperationScope,
    *,
    name: Name,
    quota_bytes: int | None = None,
    if_not_exists: bool = False,
) -> OrganizationWritten:
    existing = name_lookup.find_organization(scope.conn, name) if if_not_exists else None
    if existing is None:
        command = CreateOrganization(name, scope.unit.now, quota_bytes)
        return organization_written(scope.run_organization(command))
    found = get_organization(scope.conn, existing)
    if quota_bytes is not None and found["quota_bytes"] != quota_bytes:
        raise AlreadyExists(
            f"organization {name!r} exists with another quota: {found['quota_bytes']}",
            f"catactl quota set {name} {quota_bytes}",
        )
    written: Written = {"position": get_usage(scope.conn, existing)["position"], "events": []}
    return {**found, **written}


@operation("org.rename", changes_names=True)
def rename_organization(scope: OperationScope, *, new: Name) -> OrganizationWritten:
    return organization_written(scope.run_organization(RenameOrganization(new)))


@operation("org.suspend")
def suspend_organization(scope: OperationScope) -> OrganizationWritten:
    return organization_written(scope.run_organization(SuspendOrganization()))


@operation("org.resume")
def resume_organization(scope: OperationScope) -> OrganizationWritten:
    return organization_written(scope.run_organization(ResumeOrganization()))


@operation("org.delete", changes_names=True)
def delete_organization(
    scope: OperationScope, *, confirm: Confirmation = None
) -> OrganizationWritten:
    if normalized(confirm or "") != normalized(scope.org_ref) and not scope.intent.dry_run:
        raise ConfirmationRequired(
            f"deleting organization {scope.org_ref!r} needs its name as a confirmation",
            f'add "confirm": "{scope.org_ref}"',
        )
    return organization_written(scope.run_organization(DeleteOrganization()))


@operation("quota.set")
def set_quota(scope: OperationScope, *, size_bytes: int) -> OrganizationWritten:
    return organization_written(scope.run_organization(SetQuota(size_bytes)))


@operation("quota.clear")
def clear_quota(scope: OperationScope) -> OrganizationWritten:
    return organization_written(scope.run_organization(ClearQuota()))


@operation("event.correct-clock")
def correct_clock(scope: OperationScope) -> OrganizationWritten:
    now, last = scope.unit.now, scope.unit.head.recorded_at
    command = CorrectClock(last if last is not None else now, now)
    return organization_written(scope.run_organization(command))
