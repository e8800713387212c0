"""Job configurations as they are."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from catactl.queries.rows import stored_row, stream_rows
from catactl.results.jobs import JobResult, JobSpecResult
from catactl.store.canonical_json import format_instant, load_document
from catactl.store.sql.checked_types import unreadable
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
    status = "deleted" if row["deleted"] else "enabled" if row["enabled"] else "disabled"
    return {
        "org_id": str(row["org_id"]),
        "job_id": str(row["job_id"]),
        "status": status,
        **_spec(row["spec"]),
        "created_at": format_instant(row["created_at"]),
        "version": row["version"],
    }


def _spec(text: str) -> JobSpecResult:
    """Return a specification with its fields in the order of the result type, because JSON in a
    database keeps no order.
    """
    spec = load_document(text)
    if spec.keys() != JobSpecResult.__annotations__.keys():
        raise unreadable(text, "job_configurations.spec")
    return {
        "name": spec["name"],
        "image": spec["image"],
        "command": spec["command"],
        "env": spec["env"],
        "cpu_millis": spec["cpu_millis"],
        "memory_bytes": spec["memory_bytes"],
        "timeout_seconds": spec["timeout_seconds"],
        "schedule": spec["schedule"],
        "inputs": spec["inputs"],
    }
