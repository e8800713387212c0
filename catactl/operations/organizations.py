"""Writes of organizations."""

from catactl.domain import organization
from catactl.errors import AlreadyExists, ConfirmationRequired
from catactl.handling.unit_of_work import UnitOfWork
from catactl.operations.arguments import Confirmation, Name
from catactl.operations.operation import operation
from catactl.queries.organizations import get_organization
from catactl.queries.usage import get_usage
from catactl.results.organizations import OrganizationWritten, organization_written
from catactl.results.result import Written
from catactl.store import name_lookup
from catactl.values.spelling import normalized


@operation("org.create", creates=True)
def create_organization(
    unit: UnitOfWork,
    *,
    name: Name,
    quota_bytes: int | None = None,
    if_not_exists: bool = False,
) -> OrganizationWritten:
    existing = name_lookup.find_organization(unit.conn, name) if if_not_exists else None
    if existing is None:
        command = organization.CreateOrganization(name, unit.now, quota_bytes)
        return organization_written(unit.run_organization(command))
    found = get_organization(unit.conn, existing)
    if quota_bytes is not None and found["quota_bytes"] != quota_bytes:
        raise AlreadyExists(
            f"organization {name!r} exists with another quota: {found['quota_bytes']}",
            f"catactl quota set {name} {quota_bytes}",
        )
    written: Written = {"position": get_usage(unit.conn, existing)["position"], "events": []}
    return {**found, **written}


@operation("org.rename", changes_names=True)
def rename_organization(unit: UnitOfWork, *, new: Name) -> OrganizationWritten:
    return organization_written(unit.run_organization(organization.RenameOrganization(new)))


@operation("org.suspend")
def suspend_organization(unit: UnitOfWork) -> OrganizationWritten:
    return organization_written(unit.run_organization(organization.SuspendOrganization()))


@operation("org.resume")
def resume_organization(unit: UnitOfWork) -> OrganizationWritten:
    return organization_written(unit.run_organization(organization.ResumeOrganization()))


@operation("org.delete", changes_names=True)
def delete_organization(unit: UnitOfWork, *, confirm: Confirmation = None) -> OrganizationWritten:
    if normalized(confirm or "") != normalized(unit.intent.org_ref) and not unit.intent.dry_run:
        raise ConfirmationRequired(
            f"deleting organization {unit.intent.org_ref!r} needs its name as a confirmation",
            f'add "confirm": "{unit.intent.org_ref}"',
        )
    return organization_written(unit.run_organization(organization.DeleteOrganization()))


@operation("quota.set")
def set_quota(unit: UnitOfWork, *, size_bytes: int) -> OrganizationWritten:
    return organization_written(unit.run_organization(organization.SetQuota(size_bytes)))


@operation("quota.clear")
def clear_quota(unit: UnitOfWork) -> OrganizationWritten:
    return organization_written(unit.run_organization(organization.ClearQuota()))


@operation("event.correct-clock")
def correct_clock(unit: UnitOfWork) -> OrganizationWritten:
    now, last = unit.now, unit.head.recorded_at
    command = organization.CorrectClock(last if last is not None else now, now)
    return organization_written(unit.run_organization(command))
