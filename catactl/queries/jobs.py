"""Job configurations as they are."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from catactl.queries.rows import stored_row, stream_rows
from catactl.results.jobs import JobResult, JobSpecResult
from catactl.results.result import result_from
from catactl.store.canonical_json import load_document
from catactl.store.sql.types import unreadable
from catactl.store.tables import job_configurations


def list_jobs(conn: Connection, org_id: UUID, *, deleted: bool = False) -> Iterator[JobResult]:
    """Yield job configurations in order of name; with `deleted` also deleted ones."""
    jobs = job_configurations
    query = select(jobs).where(jobs.c.org_id == org_id).order_by(jobs.c.name, jobs.c.job_id)
    return map(_result, stream_rows(conn, query if deleted else query.where(~jobs.c.deleted)))


def get_job(conn: Connection, org_id: UUID, job_id: UUID) -> JobResult:
    """Return a job configuration; raise `CorruptLog` if its row cannot be found by its id."""
    jobs = job_configurations
    query = select(jobs).where(jobs.c.org_id == org_id, jobs.c.job_id == job_id)
    return _result(stored_row(conn, query, "job configuration", job_id))


def _result(row: RowMapping) -> JobResult:
    spec = load_document(row["spec"])
    if spec.keys() != JobSpecResult.__annotations__.keys():
        raise unreadable(row["spec"], "job_configurations.spec")
    status = "deleted" if row["deleted"] else "enabled" if row["enabled"] else "disabled"
    return result_from(JobResult, {**row, **spec, "status": status})
