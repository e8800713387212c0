"""Writes of job configurations."""

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from catactl.domain.job_configuration import (
    CreateJobConfiguration,
    DeleteJobConfiguration,
    DisableJobConfiguration,
    EnableJobConfiguration,
    JobSpec,
    UpdateJobConfiguration,
    check_spec,
)
from catactl.errors import AlreadyExists
from catactl.handling.unit_of_work import UnitOfWork
from catactl.operations.arguments import FileRefs, JobRef, Name
from catactl.operations.operation import operation
from catactl.results.jobs import JobWritten, job_result, job_written
from catactl.results.result import without_events
from catactl.wiring.flow import JOB_CONFIGURATION


class JobFields(TypedDict, total=False):
    """Fields of a job's specification. The job's own command is `job_command`, because `command`
    names the operation in a line of `apply`.
    """

    job_command: str | None
    env: dict[str, str]
    cpu_millis: int | None
    memory_bytes: int | None
    timeout_seconds: int | None
    schedule: str | None
    inputs: FileRefs


class _Named(TypedDict, total=False):
    name: Name
    image: str


class JobChanges(_Named, JobFields, total=False):
    """The fields that an update may change. None clears a field."""


@operation("job.create")
def create_job(
    unit: UnitOfWork,
    *,
    name: JobRef,
    image: str,
    if_not_exists: bool = False,
    **fields: Unpack[JobFields],
) -> JobWritten:
    given = _spec_fields(unit, {"name": name, "image": image, **fields})
    spec = check_spec(JobSpec(**given))
    existing = unit.names.find(JOB_CONFIGURATION, name) if if_not_exists else None
    if existing is None:
        command = CreateJobConfiguration(spec, unit.now)
        return job_written(unit.run_stream(unit.new_id(), command))
    state, version = unit.get(JOB_CONFIGURATION, existing)
    for field in given:
        if field != "name" and getattr(state.spec, field) != getattr(spec, field):
            raise AlreadyExists(
                f"job {name!r} exists with another {field}",
                f"catactl job update {unit.intent.org_ref} {name}",
            )
    return {**job_result(unit.org_id, existing, state, version), **without_events(unit)}


@operation("job.update", is_update=True)
def update_job(unit: UnitOfWork, *, job: JobRef, **changes: Unpack[JobChanges]) -> JobWritten:
    command = UpdateJobConfiguration(_spec_fields(unit, changes))
    return job_written(unit.run_stream(unit.job_id(job), command))


@operation("job.enable")
def enable_job(unit: UnitOfWork, *, job: JobRef) -> JobWritten:
    return job_written(unit.run_stream(unit.job_id(job), EnableJobConfiguration()))


@operation("job.disable")
def disable_job(unit: UnitOfWork, *, job: JobRef) -> JobWritten:
    return job_written(unit.run_stream(unit.job_id(job), DisableJobConfiguration()))


@operation("job.delete")
def delete_job(unit: UnitOfWork, *, job: JobRef) -> JobWritten:
    return job_written(unit.run_stream(unit.job_id(job), DeleteJobConfiguration()))


def _spec_fields(unit: UnitOfWork, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as fields of `JobSpec`, with the ids of input files."""
    fields = dict(arguments)
    if "job_command" in fields:
        fields["command"] = fields.pop("job_command")
    if "inputs" in fields:
        fields["inputs"] = tuple(sorted({unit.file_id(file) for file in fields["inputs"]}))
    return fields
