"""The write commands, with their arguments in JSON's types.

Each is done under its organization's lock. Nullable arguments that are absent are not set.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from catactl.domain.decider import Command
from catactl.domain.file import CompleteFile, CreateFile, DeleteFile, RestoreFile, UploadPart
from catactl.domain.job_configuration import (
    CreateJobConfiguration,
    DeleteJobConfiguration,
    DisableJobConfiguration,
    EnableJobConfiguration,
    JobSpec,
    UpdateJobConfiguration,
    check_spec,
)
from catactl.domain.organization import (
    ClearQuota,
    CorrectClock,
    CreateOrganization,
    DeleteOrganization,
    RenameOrganization,
    ResumeOrganization,
    SetQuota,
    SuspendOrganization,
    check_accepts,
)
from catactl.errors import AlreadyExists, ConfirmationRequired, InvalidValue
from catactl.operations.registry import VERBS as VERBS
from catactl.operations.registry import (
    Confirmation,
    Email,
    FileRef,
    FileRefs,
    JobRef,
    Name,
    NewRole,
    OperationScope,
    OptionalEmail,
    OptionalLabel,
    Sha256,
    UserRef,
    verb,
)
from catactl.queries import resources
from catactl.queries.resources import Resource
from catactl.store import name_lookup, users
from catactl.store.idempotency import Result
from catactl.values.names import check_email, check_label
from catactl.values.spelling import normalized
from catactl.wiring.flow import FILE, JOB_CONFIGURATION

# --- organizations --------------------------------------------------------------------------------


@verb("org.create", creates=True)
def create_organization(
    at: OperationScope, *, name: Name, quota_bytes: int | None = None, if_not_exists: bool = False
) -> Result:
    existing = name_lookup.find_organization(at.conn, name) if if_not_exists else None
    if existing is None:
        return at.run_organization(CreateOrganization(name, at.unit.now, quota_bytes))
    found = resources.get_organization(at.conn, existing)
    if quota_bytes is not None and found["quota_bytes"] != quota_bytes:
        raise AlreadyExists(
            f"organization {name!r} exists with another quota: {found['quota_bytes']}",
            f"catactl quota set {name} {quota_bytes}",
        )
    position = resources.get_usage(at.conn, existing)["position"]
    return found | {"position": position, "events": []}


@verb("org.rename", names=True)
def rename_organization(at: OperationScope, *, new: Name) -> Result:
    return at.run_organization(RenameOrganization(new))


@verb("org.suspend")
def suspend_organization(at: OperationScope) -> Result:
    return at.run_organization(SuspendOrganization())


@verb("org.resume")
def resume_organization(at: OperationScope) -> Result:
    return at.run_organization(ResumeOrganization())


@verb("org.delete", names=True)
def delete_organization(at: OperationScope, *, confirm: Confirmation = None) -> Result:
    if normalized(confirm or "") != normalized(at.org_ref) and not at.intent.dry_run:
        raise ConfirmationRequired(
            f"deleting organization {at.org_ref!r} needs its name as a confirmation",
            f'add "confirm": "{at.org_ref}"',
        )
    return at.run_organization(DeleteOrganization())


@verb("quota.set")
def set_quota(at: OperationScope, *, size_bytes: int) -> Result:
    return at.run_organization(SetQuota(size_bytes))


@verb("quota.clear")
def clear_quota(at: OperationScope) -> Result:
    return at.run_organization(ClearQuota())


@verb("event.correct-clock")
def correct_clock(at: OperationScope) -> Result:
    last = at.unit.head.recorded_at
    return at.run_organization(CorrectClock(last if last is not None else at.unit.now, at.unit.now))


# --- users ----------------------------------------------------------------------------------------


@verb("user.add", is_versioned=False)
def add_user(
    at: OperationScope,
    *,
    email: Email,
    name: OptionalLabel = None,
    role: NewRole = None,
    if_not_exists: bool = False,
) -> Result:
    name = check_label("name", name) if name is not None else None

    def change() -> Mapping[str, Any]:
        existing = users.find_by_email(at.conn, at.org_id, check_email(email))
        if existing is None or not if_not_exists:
            return users.add(
                at.conn,
                at.org_id,
                at.unit.new_id(),
                email=email,
                name=name,
                role=role if role is not None else users.DEFAULT_ROLE,
                created_at=at.unit.now,
            )
        for field, asked in (("name", name), ("role", role)):
            if asked is not None and existing[field] != asked:
                raise AlreadyExists(
                    f"user {existing['email']!r} exists with another {field}: {existing[field]!r}",
                    f"catactl user update {at.org_ref} {existing['email']} --{field} …",
                )
        return existing

    return _change_users(at, change)


@verb("user.update", is_versioned=False)
def update_user(
    at: OperationScope,
    *,
    user: UserRef,
    email: OptionalEmail = None,
    name: OptionalLabel = None,
    role: str | None = None,
) -> Result:
    asked = {"email": email, "name": name, "role": role}
    changes = {field: value for field, value in asked.items() if value is not None}
    if not changes:
        raise InvalidValue("nothing to update", "give email, name or role")
    return _change_user(at, user, **changes)


@verb("user.disable", is_versioned=False)
def disable_user(at: OperationScope, *, user: UserRef) -> Result:
    return _change_user(at, user, disabled=True)


@verb("user.enable", is_versioned=False)
def enable_user(at: OperationScope, *, user: UserRef) -> Result:
    return _change_user(at, user, disabled=False)


@verb("user.remove", is_versioned=False)
def remove_user(at: OperationScope, *, user: UserRef) -> Result:
    return _change_users(
        at,
        lambda: users.remove(
            at.conn, at.org_id, name_lookup.resolve_user(at.conn, at.org_id, user)
        ),
        removes=True,
    )


def _change_user(at: OperationScope, user: str, **changes: Any) -> Result:
    return _change_users(
        at,
        lambda: users.change(
            at.conn, at.org_id, name_lookup.resolve_user(at.conn, at.org_id, user), **changes
        ),
    )


def _change_users(
    at: OperationScope, change: Callable[[], Mapping[str, Any]], *, removes: bool = False
) -> Result:
    at.unit.check_clock(Command())
    check_accepts(at.unit.organization(), Command())
    row = change()
    version = None if removes else row["version"]
    at.unit.evidence = partial(
        users.holds, org_id=at.org_id, user_id=row["user_id"], version=version
    )
    return at.unchanged(resources.user(row))


# --- job configurations ---------------------------------------------------------------------------


_JOB_FIELDS: Mapping[str, Any] = {
    "job_command": str | None,  # a line's "command" is what it asks for
    "env": dict[str, str],
    "cpu_millis": int | None,
    "memory_bytes": int | None,
    "timeout_seconds": int | None,
    "schedule": str | None,
    "inputs": FileRefs,
}


@verb("job.create", fields=_JOB_FIELDS)
def create_job(
    at: OperationScope, *, name: JobRef, image: str, if_not_exists: bool = False, **fields: Any
) -> Result:
    asked = _spec_fields(at, {"name": name, "image": image, **fields})
    spec = check_spec(JobSpec(**asked))
    existing = at.unit.find_live(JOB_CONFIGURATION, name) if if_not_exists else None
    if existing is None:
        command = CreateJobConfiguration(spec, at.unit.now)
        return at.run(at.unit.new_id(), command, resources.job)
    state, version = at.unit.get(JOB_CONFIGURATION, existing)
    for field in asked:
        if field != "name" and getattr(state.spec, field) != getattr(spec, field):
            raise AlreadyExists(
                f"job {name!r} exists with another {field}",
                f"catactl job update {at.org_ref} {name}",
            )
    return at.unchanged(resources.job(at.org_id, existing, state, version))


@verb("job.update", fields={"name": Name, "image": str, **_JOB_FIELDS})
def update_job(at: OperationScope, *, job: JobRef, **changes: Any) -> Result:
    """A null clears a field."""
    if not changes:
        raise InvalidValue("nothing to update", "give at least one field")
    changes = _spec_fields(at, changes)
    return at.run(at.job(job), UpdateJobConfiguration(changes), resources.job)


@verb("job.enable")
def enable_job(at: OperationScope, *, job: JobRef) -> Result:
    return at.run(at.job(job), EnableJobConfiguration(), resources.job)


@verb("job.disable")
def disable_job(at: OperationScope, *, job: JobRef) -> Result:
    return at.run(at.job(job), DisableJobConfiguration(), resources.job)


@verb("job.delete")
def delete_job(at: OperationScope, *, job: JobRef) -> Result:
    return at.run(at.job(job), DeleteJobConfiguration(), resources.job)


def _spec_fields(at: OperationScope, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a job's specification that arguments give."""
    fields = dict(arguments)
    if "job_command" in fields:
        fields["command"] = fields.pop("job_command")
    if "inputs" in fields:
        fields["inputs"] = tuple(sorted({at.file(file) for file in fields["inputs"]}))
    return fields


# --- files ----------------------------------------------------------------------------------------


@verb("file.create")
def create_file(at: OperationScope, *, name: FileRef, if_not_exists: bool = False) -> Result:
    existing = at.unit.find_live(FILE, name) if if_not_exists else None
    if existing is not None:
        return at.unchanged(resources.file(at.org_id, existing, *at.unit.get(FILE, existing)))
    file_id = at.unit.new_id()
    at.unit.expect_new(FILE, file_id)
    return at.run(file_id, CreateFile(name, at.unit.now), resources.file)


@verb("file.complete")
def complete_file(at: OperationScope, *, file: FileRef) -> Result:
    return at.run(at.file(file), CompleteFile(), resources.file)


@verb("file.delete")
def delete_file(at: OperationScope, *, file: FileRef) -> Result:
    return at.run(at.file(file), DeleteFile(), resources.file)


@verb("file.restore")
def restore_file(at: OperationScope, *, file: FileRef) -> Result:
    return at.run(at.file(file), RestoreFile(), resources.file)


@verb("part.record")
def record_part(
    at: OperationScope, *, file: FileRef, number: int, size_bytes: int, sha256: Sha256
) -> Result:
    def present(org_id: UUID, file_id: UUID, state: Any, version: int) -> Resource:
        return resources.part(org_id, file_id, number, state, version)

    return at.run(at.file(file), UploadPart(number, size_bytes, sha256.lower()), present)
