"""Where folded states are kept between commands: the protocol, and one store an aggregate.

A stored state is a cache of its stream's events. It may lie in several tables: a file's state is a
row of `files` and its rows of `file_parts`. The executor is a connection in the caller's
transaction, always first, never opened or committed here.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Column, Connection, Table, bindparam, delete, insert, select, update

from catactl.domain.file import File
from catactl.domain.job_configuration import JobConfiguration, JobSpec
from catactl.domain.organization import Organization, OrganizationStatus
from catactl.domain.parts import Part, Parts
from catactl.errors import VersionConflict
from catactl.store import canonical_json, codec
from catactl.store.sql.checked_types import unreadable
from catactl.store.sql.guarded_statement import Row
from catactl.store.sql.statements import write, write_all
from catactl.store.tables import (
    file_parts,
    files,
    job_configurations,
    organization_names,
    organizations,
)

S = TypeVar("S")
# Tables, each with the column that holds the id of a row's stream.
StreamColumns = Mapping[Table, Column[UUID]]


class Stored(NamedTuple, Generic[S]):
    state: S
    version: int


class StateStore(Protocol[S]):
    """`before` is the value that `get_by_id` returned: its version is compared, and only
    differences are written. `tables` are the tables that hold the state's rows.
    """

    tables: ClassVar[StreamColumns]

    def rows(self, table: Table, org_id: UUID, id_: UUID, state: S, version: int) -> Iterator[Row]:
        """Yield the rows of one table that store a state, in the order of the key, with values in
        the order of the columns.
        """

    def get_by_id(self, executor: Connection, org_id: UUID, id_: UUID) -> Stored[S] | None:
        """Return the stored state and the version of the stream that it was folded to."""

    def persist(
        self,
        executor: Connection,
        org_id: UUID,
        id_: UUID,
        state: S,
        version: int,
        before: Stored[S] | None,
    ) -> None:
        """Compare and set; `VersionConflict` when the stored version is not that of `before`."""

    def upsert(self, executor: Connection, org_id: UUID, id_: UUID, state: S, version: int) -> None:
        """Store unconditionally, whatever was there: rebuilding uses it."""

    def delete(self, executor: Connection, org_id: UUID, id_: UUID) -> None:
        """Forget the state. Its events stay, so the next command brings it back."""


def in_order(table: Table, row: Mapping[str, Any]) -> Row:
    """Return a row's values in the order of a table's columns."""
    return tuple(row[column.name] for column in table.columns)


def _stale() -> VersionConflict:
    return VersionConflict("a stored state is not at the version that was read", "run it again")


# --- organizations --------------------------------------------------------------------------------

_ORGANIZATION = select(organizations).where(organizations.c.org_id == bindparam("of_org"))
_INSERT_ORGANIZATION = insert(organizations)
_UPDATE_ORGANIZATION = (
    update(organizations)
    .where(
        organizations.c.org_id == bindparam("of_org"),
        organizations.c.version == bindparam("before_version"),
    )
    .values(
        {
            column.name: bindparam(f"new_{column.name}")
            for column in organizations.c
            if column.name != "org_id"
        }
    )
)
_DELETE_ORGANIZATION = delete(organizations).where(organizations.c.org_id == bindparam("of_org"))
_INSERT_ORGANIZATION_NAME = insert(organization_names)
_DELETE_ORGANIZATION_NAME = delete(organization_names).where(
    organization_names.c.org_id == bindparam("of_org")
)


class OrganizationStore:
    """A row of `organizations`, and while it lives its name in the directory
    `organization_names`.
    """

    tables: ClassVar[StreamColumns] = {
        organizations: organizations.c.org_id,
        organization_names: organization_names.c.org_id,
    }

    def rows(
        self, table: Table, org_id: UUID, id_: UUID, state: Organization, version: int
    ) -> Iterator[Row]:
        if table is organizations:
            yield in_order(table, {"org_id": id_, **_organization_row(state, version)})
        elif state.live_name is not None:
            yield state.live_name, id_

    def get_by_id(
        self, executor: Connection, org_id: UUID, id_: UUID
    ) -> Stored[Organization] | None:
        row = executor.execute(_ORGANIZATION, {"of_org": id_}).one_or_none()
        if row is None:
            return None
        state = Organization(
            name=row.name,
            created_at=row.created_at,
            status=_status(row.status),
            quota_bytes=row.quota_bytes,
            used_bytes=row.used_bytes,
            file_count=row.file_count,
            part_count=row.part_count,
        )
        return Stored(state, row.version)

    def persist(
        self,
        executor: Connection,
        org_id: UUID,
        id_: UUID,
        state: Organization,
        version: int,
        before: Stored[Organization] | None,
    ) -> None:
        row = _organization_row(state, version)
        if before is None:
            write(executor, _INSERT_ORGANIZATION, {"org_id": id_, **row})
        else:
            row = {f"new_{name}": value for name, value in row.items()}
            row |= {"of_org": id_, "before_version": before.version}
            write(executor, _UPDATE_ORGANIZATION, row, _stale)
        old_name = before.state.live_name if before is not None else None
        if state.live_name != old_name:
            self._rename(executor, id_, state.live_name)

    def upsert(
        self, executor: Connection, org_id: UUID, id_: UUID, state: Organization, version: int
    ) -> None:
        self.delete(executor, org_id, id_)
        self.persist(executor, org_id, id_, state, version, None)

    def delete(self, executor: Connection, org_id: UUID, id_: UUID) -> None:
        write(executor, _DELETE_ORGANIZATION, {"of_org": id_})
        write(executor, _DELETE_ORGANIZATION_NAME, {"of_org": id_})

    def _rename(self, executor: Connection, org_id: UUID, name: str | None) -> None:
        write(executor, _DELETE_ORGANIZATION_NAME, {"of_org": org_id})
        if name is not None:
            write(executor, _INSERT_ORGANIZATION_NAME, {"name": name, "org_id": org_id})


def _status(text: str) -> OrganizationStatus:
    try:
        return OrganizationStatus(text)
    except ValueError:
        raise unreadable(text, "organizations.status") from None


def _organization_row(state: Organization, version: int) -> dict[str, Any]:
    return {
        "name": state.name,
        "status": state.status.value,
        "quota_bytes": state.quota_bytes,
        "used_bytes": state.used_bytes,
        "file_count": state.file_count,
        "part_count": state.part_count,
        "created_at": state.created_at,
        "version": version,
    }


# --- files ----------------------------------------------------------------------------------------

_FILE = select(files).where(
    files.c.org_id == bindparam("of_org"), files.c.file_id == bindparam("of_file")
)
_FILE_PARTS = (
    select(file_parts.c.number, file_parts.c.size_bytes, file_parts.c.sha256, file_parts.c.stored)
    .where(file_parts.c.org_id == bindparam("of_org"), file_parts.c.file_id == bindparam("of_file"))
    .order_by(file_parts.c.number)
)
_INSERT_FILE = insert(files)
_UPDATE_FILE = (
    update(files)
    .where(
        files.c.org_id == bindparam("of_org"),
        files.c.file_id == bindparam("of_file"),
        files.c.version == bindparam("before_version"),
    )
    .values(
        {
            column.name: bindparam(f"new_{column.name}")
            for column in files.c
            if column.name not in {"org_id", "file_id", "name", "created_at"}
        }
    )
)
_DELETE_FILE = delete(files).where(
    files.c.org_id == bindparam("of_org"), files.c.file_id == bindparam("of_file")
)
_PART_COLUMNS = ("org_id", "file_id", "number", "size_bytes", "sha256", "stored")
_UPDATE_PART = (
    update(file_parts)
    .where(
        file_parts.c.org_id == bindparam("of_org"),
        file_parts.c.file_id == bindparam("of_file"),
        file_parts.c.number == bindparam("of_number"),
    )
    .values(
        size_bytes=bindparam("new_size_bytes"),
        sha256=bindparam("new_sha256"),
        stored=bindparam("new_stored"),
    )
)
_DELETE_PARTS = delete(file_parts).where(
    file_parts.c.org_id == bindparam("of_org"), file_parts.c.file_id == bindparam("of_file")
)


class FileStore:
    """A row of `files` and its `file_parts`. Persisting writes only the parts that differ."""

    tables: ClassVar[StreamColumns] = {
        files: files.c.file_id,
        file_parts: file_parts.c.file_id,
    }

    def rows(
        self, table: Table, org_id: UUID, id_: UUID, state: File, version: int
    ) -> Iterator[Row]:
        if table is files:
            fixed = {"org_id": org_id, "file_id": id_, "name": state.name}
            row = {**fixed, "created_at": state.created_at, **_file_row(state, version)}
            yield in_order(table, row)
        else:
            for part in state.parts:
                yield (org_id, id_, *part)

    def get_by_id(self, executor: Connection, org_id: UUID, id_: UUID) -> Stored[File] | None:
        key = {"of_org": org_id, "of_file": id_}
        row = executor.execute(_FILE, key).one_or_none()
        if row is None:
            return None
        parts = Parts.of(Part(*part) for part in executor.execute(_FILE_PARTS, key))
        if (parts.count, parts.size_bytes) != (row.part_count, row.size_bytes):
            return None  # half of it is lost: the events have it whole
        state = File(
            name=row.name,
            created_at=row.created_at,
            completed=row.completed,
            deleted=row.deleted,
            swept=row.swept,
            parts=parts,
            linked_by=_ids(row.linked_by),
        )
        return Stored(state, row.version)

    def persist(
        self,
        executor: Connection,
        org_id: UUID,
        id_: UUID,
        state: File,
        version: int,
        before: Stored[File] | None,
    ) -> None:
        row = _file_row(state, version)
        if before is None:
            fixed = {"org_id": org_id, "file_id": id_, "name": state.name}
            write(executor, _INSERT_FILE, {**fixed, "created_at": state.created_at, **row})
        else:
            row = {f"new_{name}": value for name, value in row.items()}
            row |= {"of_org": org_id, "of_file": id_, "before_version": before.version}
            write(executor, _UPDATE_FILE, row, _stale)
        stored_parts = before.state.parts if before is not None else Parts()
        new = []
        for part in state.parts.changed_since(stored_parts):
            if stored_parts.get(part.number) is None:
                new.append((org_id, id_, part.number, part.size_bytes, part.sha256, part.stored))
            else:
                self._update_part(executor, org_id, id_, part)
        if new:
            write_all(executor, file_parts, _PART_COLUMNS, new)

    def upsert(
        self, executor: Connection, org_id: UUID, id_: UUID, state: File, version: int
    ) -> None:
        self.delete(executor, org_id, id_)
        self.persist(executor, org_id, id_, state, version, None)

    def delete(self, executor: Connection, org_id: UUID, id_: UUID) -> None:
        key = {"of_org": org_id, "of_file": id_}
        write(executor, _DELETE_PARTS, key)
        write(executor, _DELETE_FILE, key)

    def _update_part(self, executor: Connection, org_id: UUID, file_id: UUID, part: Part) -> None:
        key = {"of_org": org_id, "of_file": file_id, "of_number": part.number}
        content = {
            "new_size_bytes": part.size_bytes,
            "new_sha256": part.sha256,
            "new_stored": part.stored,
        }
        write(executor, _UPDATE_PART, key | content, _stale)


def _ids(linked_by: str) -> frozenset[UUID]:
    try:
        return frozenset(map(UUID, canonical_json.load_array(linked_by)))
    except (ValueError, TypeError, AttributeError):
        raise unreadable(linked_by, "files.linked_by") from None


def _file_row(state: File, version: int) -> dict[str, Any]:
    return {
        "completed": state.completed,
        "deleted": state.deleted,
        "swept": state.swept,
        "size_bytes": state.parts.size_bytes,
        "part_count": state.parts.count,
        "linked_by": canonical_json.canonical(sorted(map(str, state.linked_by))),
        "version": version,
    }


# --- job configurations ---------------------------------------------------------------------------

_JOB = select(job_configurations).where(
    job_configurations.c.org_id == bindparam("of_org"),
    job_configurations.c.job_id == bindparam("of_job"),
)
_INSERT_JOB = insert(job_configurations)
_UPDATE_JOB = (
    update(job_configurations)
    .where(
        job_configurations.c.org_id == bindparam("of_org"),
        job_configurations.c.job_id == bindparam("of_job"),
        job_configurations.c.version == bindparam("before_version"),
    )
    .values(
        {
            column.name: bindparam(f"new_{column.name}")
            for column in job_configurations.c
            if column.name not in {"org_id", "job_id", "created_at"}
        }
    )
)
_DELETE_JOB = delete(job_configurations).where(
    job_configurations.c.org_id == bindparam("of_org"),
    job_configurations.c.job_id == bindparam("of_job"),
)


class JobConfigurationStore:
    """A row of `job_configurations`."""

    tables: ClassVar[StreamColumns] = {job_configurations: job_configurations.c.job_id}

    def rows(
        self, table: Table, org_id: UUID, id_: UUID, state: JobConfiguration, version: int
    ) -> Iterator[Row]:
        fixed = {"org_id": org_id, "job_id": id_, "created_at": state.created_at}
        yield in_order(table, {**fixed, **_job_row(state, version)})

    def get_by_id(
        self, executor: Connection, org_id: UUID, id_: UUID
    ) -> Stored[JobConfiguration] | None:
        row = executor.execute(_JOB, {"of_org": org_id, "of_job": id_}).one_or_none()
        if row is None:
            return None
        state = JobConfiguration(
            spec=codec.load_object(JobSpec, canonical_json.load_document(row.spec)),
            created_at=row.created_at,
            enabled=row.enabled,
            deleted=row.deleted,
        )
        return Stored(state, row.version)

    def persist(
        self,
        executor: Connection,
        org_id: UUID,
        id_: UUID,
        state: JobConfiguration,
        version: int,
        before: Stored[JobConfiguration] | None,
    ) -> None:
        row = _job_row(state, version)
        if before is None:
            fixed = {"org_id": org_id, "job_id": id_, "created_at": state.created_at}
            write(executor, _INSERT_JOB, {**fixed, **row})
            return
        row = {f"new_{name}": value for name, value in row.items()}
        row |= {"of_org": org_id, "of_job": id_, "before_version": before.version}
        write(executor, _UPDATE_JOB, row, _stale)

    def upsert(
        self,
        executor: Connection,
        org_id: UUID,
        id_: UUID,
        state: JobConfiguration,
        version: int,
    ) -> None:
        self.delete(executor, org_id, id_)
        self.persist(executor, org_id, id_, state, version, None)

    def delete(self, executor: Connection, org_id: UUID, id_: UUID) -> None:
        write(executor, _DELETE_JOB, {"of_org": org_id, "of_job": id_})


def _job_row(state: JobConfiguration, version: int) -> dict[str, Any]:
    return {
        "name": state.name,
        "spec": canonical_json.canonical(codec.dump_object(state.spec)),
        "enabled": state.enabled,
        "deleted": state.deleted,
        "version": version,
    }
