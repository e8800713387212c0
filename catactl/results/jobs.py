"""Results about job configurations."""

from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

from catactl.results.result import (
    JsonObject,
    Time,
    Uuid,
    Written,
    columns,
    columns_like,
    result_from,
    written,
)

if TYPE_CHECKING:
    from catactl.domain.job_configuration import JobConfiguration
    from catactl.handling.unit_of_work import Outcome


class JobSpecResult(TypedDict):
    name: str
    image: str
    command: str | None
    env: JsonObject
    cpu_millis: int | None
    memory_bytes: int | None
    timeout_seconds: int | None
    schedule: str | None
    inputs: list[str]


class _JobState(TypedDict):
    org_id: Uuid
    job_id: Uuid
    status: str


@columns("job_id name status image schedule created_at")
class JobResult(_JobState, JobSpecResult):
    created_at: Time
    version: int


@columns_like(JobResult)
class JobWritten(JobResult, Written):
    """A job configuration after a write."""


def job_result(org_id: UUID, job_id: UUID, state: "JobConfiguration", version: int) -> JobResult:
    from catactl.store import codec  # here, because reads of rows do not need the whole domain

    others = {"org_id": org_id, "job_id": job_id, "status": state.status, "version": version}
    return result_from(JobResult, {**codec.dump_object(state.spec), **vars(state), **others})


def job_written(outcome: "Outcome") -> JobWritten:
    """Return the job configuration after a command to it."""
    result = job_result(outcome.org_id, outcome.stream_id, outcome.state, outcome.version)
    return {**result, **written(outcome)}
