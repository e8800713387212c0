"""Resources as users see them: the fields of the contract with scripts, from states and from rows.

Fields are added, never renamed. Sizes are integers of bytes, ids and times strings, unlimited is
null.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, func, select
from sqlalchemy.sql.base import Executable

from catactl.errors import CorruptLog, NotFound
from catactl.store import canonical_json
from catactl.store.sql.checked_types import unreadable
from catactl.store.tables import (
    file_parts,
    files,
    job_configurations,
    logs,
    organizations,
    storage_usage,
    users,
)

if TYPE_CHECKING:
    from catactl.domain.file import File
    from catactl.domain.job_configuration import JobConfiguration, JobSpec
    from catactl.domain.organization import Organization
    from catactl.handling.unit_of_work import Outcome
    from catactl.store.event_log import StoredEvent

Resource = dict[str, Any]

_ROWS_AT_ONCE = 1_000


def plain(value: Any) -> Any:
    """Return a value as JSON has it: ids and times as strings."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return canonical_json.format_instant(value)
    return value


def written(resource: Resource, outcome: "Outcome") -> Resource:
    """A resource after a write, with the log's position and the names of what happened."""
    result = resource | {
        "position": outcome.position,
        "events": [recorded.type for recorded in outcome.events],
    }
    return result | {"dry_run": True} if outcome.dry_run else result


def from_row(row: RowMapping) -> Resource:
    return {name: plain(value) for name, value in row.items()}


def stream(conn: Connection, query: Executable) -> Iterator[RowMapping]:
    """Yield a query's rows without holding them all."""
    result = conn.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
    yield from result.mappings()


# --- organizations --------------------------------------------------------------------------------


def organization(org_id: UUID, state: "Organization", version: int) -> Resource:
    return {
        "org_id": str(org_id),
        "name": state.name,
        "status": state.status.value,
        "used_bytes": state.used_bytes,
        "quota_bytes": state.quota_bytes,
        "created_at": plain(state.created_at),
        "version": version,
    }


_ORGANIZATIONS = select(
    *(
        organizations.c[name]
        for name in (
            "org_id",
            "name",
            "status",
            "used_bytes",
            "quota_bytes",
            "created_at",
            "version",
        )
    )
).order_by(organizations.c.name, organizations.c.org_id)


def list_organizations(conn: Connection, *, deleted: bool = False) -> Iterator[Resource]:
    live = _ORGANIZATIONS.where(organizations.c.status != "deleted")
    return map(from_row, stream(conn, _ORGANIZATIONS if deleted else live))


def get_organization(conn: Connection, org_id: UUID) -> Resource:
    return from_row(_row(conn, _ORGANIZATIONS, org_id))


def _row(conn: Connection, query: Select[Any], org_id: UUID) -> RowMapping:
    row = conn.execute(query.where(organizations.c.org_id == org_id)).mappings().one_or_none()
    if row is None:
        raise missing_row()
    return row


def missing_row() -> NotFound:
    """What to say where an organization has a log and a name, and its state was lost."""
    return NotFound("the organization's stored state is missing", "catactl usage recompute")


# --- files and parts ------------------------------------------------------------------------------


def file(org_id: UUID, file_id: UUID, state: "File", version: int) -> Resource:
    return {
        "org_id": str(org_id),
        "file_id": str(file_id),
        "name": state.name,
        "status": state.status.value,
        "size_bytes": state.parts.size_bytes,
        "part_count": state.parts.count,
        "linked_by": sorted(map(str, state.linked_by)),
        "content_swept": state.swept,
        "created_at": plain(state.created_at),
        "version": version,
    }


def part(org_id: UUID, file_id: UUID, number: int, state: "File", version: int) -> Resource:
    stored = state.parts.get(number)
    assert stored is not None
    return {
        "org_id": str(org_id),
        "file_id": str(file_id),
        "number": stored.number,
        "size_bytes": stored.size_bytes,
        "sha256": stored.sha256,
        "stored": stored.stored,
        "version": version,
    }


def _file_from_row(row: RowMapping) -> Resource:
    status = "deleted" if row["deleted"] else "complete" if row["completed"] else "uploading"
    return {
        "org_id": plain(row["org_id"]),
        "file_id": plain(row["file_id"]),
        "name": row["name"],
        "status": status,
        "size_bytes": row["size_bytes"],
        "part_count": row["part_count"],
        "linked_by": canonical_json.load_array(row["linked_by"]),
        "content_swept": row["swept"],
        "created_at": plain(row["created_at"]),
        "version": row["version"],
    }


def list_files(conn: Connection, org_id: UUID, *, deleted: bool = False) -> Iterator[Resource]:
    query = select(files).where(files.c.org_id == org_id).order_by(files.c.name, files.c.file_id)
    return map(_file_from_row, stream(conn, query if deleted else query.where(~files.c.deleted)))


def get_file(conn: Connection, org_id: UUID, file_id: UUID) -> Resource:
    query = select(files).where(files.c.org_id == org_id, files.c.file_id == file_id)
    return _file_from_row(_stored_row(conn, query, "file", file_id))


def list_parts(conn: Connection, org_id: UUID, file_id: UUID) -> Iterator[Resource]:
    query = (
        select(
            file_parts.c.number, file_parts.c.size_bytes, file_parts.c.sha256, file_parts.c.stored
        )
        .where(file_parts.c.org_id == org_id, file_parts.c.file_id == file_id)
        .order_by(file_parts.c.number)
    )
    return map(from_row, stream(conn, query))


# --- job configurations ---------------------------------------------------------------------------


def job(org_id: UUID, job_id: UUID, state: "JobConfiguration", version: int) -> Resource:
    return {
        "org_id": str(org_id),
        "job_id": str(job_id),
        "status": state.status,
        **job_spec(state.spec),
        "created_at": plain(state.created_at),
        "version": version,
    }


def job_spec(spec: "JobSpec") -> Resource:
    from catactl.store import codec  # which knows the whole domain: reading does without

    return codec.dump_object(spec)


# JSON in a database keeps no order: this is the one that `job_spec` has.
_SPEC_FIELDS = (
    "name",
    "image",
    "command",
    "env",
    "cpu_millis",
    "memory_bytes",
    "timeout_seconds",
    "schedule",
    "inputs",
)


def _spec(text: str) -> Resource:
    spec = canonical_json.load_document(text)
    if spec.keys() != set(_SPEC_FIELDS):
        raise unreadable(text, "job_configurations.spec")
    return {field: spec[field] for field in _SPEC_FIELDS}


def _job_from_row(row: RowMapping) -> Resource:
    status = "deleted" if row["deleted"] else "enabled" if row["enabled"] else "disabled"
    return {
        "org_id": plain(row["org_id"]),
        "job_id": plain(row["job_id"]),
        "status": status,
        **_spec(row["spec"]),
        "created_at": plain(row["created_at"]),
        "version": row["version"],
    }


def list_jobs(conn: Connection, org_id: UUID, *, deleted: bool = False) -> Iterator[Resource]:
    jobs = job_configurations
    query = select(jobs).where(jobs.c.org_id == org_id).order_by(jobs.c.name, jobs.c.job_id)
    return map(_job_from_row, stream(conn, query if deleted else query.where(~jobs.c.deleted)))


def get_job(conn: Connection, org_id: UUID, job_id: UUID) -> Resource:
    jobs = job_configurations
    query = select(jobs).where(jobs.c.org_id == org_id, jobs.c.job_id == job_id)
    return _job_from_row(_stored_row(conn, query, "job configuration", job_id))


# --- users ----------------------------------------------------------------------------------------


def user(row: Mapping[str, Any] | RowMapping) -> Resource:
    return {
        "org_id": plain(row["org_id"]),
        "user_id": plain(row["user_id"]),
        "email": row["email"],
        "name": row["name"],
        "role": row["role"],
        "status": "disabled" if row["disabled"] else "active",
        "created_at": plain(row["created_at"]),
        "version": row["version"],
    }


def list_users(conn: Connection, org_id: UUID) -> Iterator[Resource]:
    query = select(users).where(users.c.org_id == org_id).order_by(users.c.email)
    return map(user, stream(conn, query))


# --- usage ----------------------------------------------------------------------------------------


def usage_query() -> Select[Any]:
    """Usage as of the last event in each log: the view's figures hold until the log moves on."""
    return (
        select(
            organizations.c.org_id,
            organizations.c.name,
            func.coalesce(storage_usage.c.used_bytes, 0).label("used_bytes"),
            organizations.c.quota_bytes,
            func.coalesce(storage_usage.c.file_count, 0).label("file_count"),
            func.coalesce(storage_usage.c.part_count, 0).label("part_count"),
            logs.c.position,
            logs.c.recorded_at.label("as_of"),
        )
        .join(logs, logs.c.org_id == organizations.c.org_id)
        .outerjoin(storage_usage, storage_usage.c.org_id == organizations.c.org_id)
    )


def get_usage(conn: Connection, org_id: UUID) -> Resource:
    return from_row(_row(conn, usage_query(), org_id))


# --- events ---------------------------------------------------------------------------------------


def event(recorded: "StoredEvent") -> Resource:
    return {
        "org_id": str(recorded.org_id),
        "position": recorded.position,
        "stream_id": str(recorded.stream_id),
        "version": recorded.version,
        "type": recorded.type,
        "schema_version": recorded.schema_version,
        "payload": canonical_json.load_document(recorded.payload),
        "event_id": str(recorded.event_id),
        "actor": recorded.actor,
        "reason": recorded.reason,
        "command_id": str(recorded.command_id),
        "correlation_id": str(recorded.correlation_id),
        "causation_id": plain(recorded.causation_id),
        "recorded_at": plain(recorded.recorded_at),
        "hash": recorded.hash.hex(),
    }


def _stored_row(conn: Connection, query: Select[Any], what: str, stream_id: UUID) -> Any:
    """Return the row; raise `CorruptLog` if its id is stored in another form, as SQLite allows."""
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        raise CorruptLog(
            f"the stored row of {what} {str(stream_id)!r} cannot be found by its id",
            "rebuild it: catactl projection rebuild",
        )
    return row
