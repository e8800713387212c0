"""Store the states of organizations, and the names of live ones."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, bindparam, delete, insert

from catactl.domain.organization import Organization, OrganizationStatus
from catactl.store.sql.guarded_statement import SqlRow
from catactl.store.sql.statements import write
from catactl.store.sql.types import read
from catactl.store.state_store import StateStore, Stored
from catactl.store.tables import organization_names, organizations

_INSERT_NAME = insert(organization_names)
_DELETE_NAME = delete(organization_names).where(
    organization_names.c.org_id == bindparam("of_org_id")
)


class OrganizationStore(StateStore[Organization]):
    """A row of `organizations`; for a live organization also a row of `organization_names`."""

    def __init__(self) -> None:
        super().__init__(organizations.c.org_id, organization_names.c.org_id)

    def to_row(self, state: Organization, version: int) -> dict[str, Any]:
        return {**vars(state), "status": state.status.value, "version": version}

    def from_row(self, conn: Connection, row: Any) -> Organization:
        return Organization(
            name=row.name,
            created_at=row.created_at,
            status=read(OrganizationStatus, row.status, "organizations.status"),
            quota_bytes=row.quota_bytes,
            used_bytes=row.used_bytes,
            file_count=row.file_count,
            part_count=row.part_count,
        )

    def rows(
        self, table: Table, org_id: UUID, id_: UUID, state: Organization, version: int
    ) -> Iterator[SqlRow]:
        if table is organizations:
            yield from super().rows(table, org_id, id_, state, version)
        elif state.live_name is not None:
            yield state.live_name, id_

    def persist(
        self,
        conn: Connection,
        org_id: UUID,
        id_: UUID,
        state: Organization,
        version: int,
        before: Stored[Organization] | None,
    ) -> None:
        super().persist(conn, org_id, id_, state, version, before)
        name = state.live_name
        if name != (before.state.live_name if before is not None else None):
            write(conn, _DELETE_NAME, {"of_org_id": id_})
            if name is not None:
                write(conn, _INSERT_NAME, {"name": name, "org_id": id_})
