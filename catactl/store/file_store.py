"""Store the states of files and their parts."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, bindparam, select, update

from catactl.domain.file import File
from catactl.domain.parts import Part, Parts
from catactl.store import canonical_json
from catactl.store.sql.guarded_statement import SqlRow
from catactl.store.sql.statements import write, write_all
from catactl.store.sql.types import read
from catactl.store.state_store import StateStore, Stored, stale
from catactl.store.tables import file_parts, files

_OF_FILE = (
    file_parts.c.org_id == bindparam("of_org_id"),
    file_parts.c.file_id == bindparam("of_file_id"),
)
_SELECT_PARTS = (
    select(*(file_parts.c[name] for name in Part._fields))
    .where(*_OF_FILE)
    .order_by(file_parts.c.number)
)
_UPDATE_PART = (
    update(file_parts)
    .where(*_OF_FILE, file_parts.c.number == bindparam("of_number"))
    .values(
        size_bytes=bindparam("new_size_bytes"),
        sha256=bindparam("new_sha256"),
        stored=bindparam("new_stored"),
    )
)
_PART_COLUMNS = ("org_id", "file_id", *Part._fields)


class FileStore(StateStore[File]):
    """A row of `files`, and a row of `file_parts` for each part. Only parts that differ are
    written.
    """

    def __init__(self) -> None:
        super().__init__(files.c.file_id, file_parts.c.file_id, constant={"name", "created_at"})

    def to_row(self, state: File, version: int) -> dict[str, Any]:
        return {
            "name": state.name,
            "completed": state.completed,
            "deleted": state.deleted,
            "swept": state.swept,
            "size_bytes": state.parts.size_bytes,
            "part_count": state.parts.count,
            "linked_by": canonical_json.canonical(sorted(map(str, state.linked_by))),
            "created_at": state.created_at,
            "version": version,
        }

    def from_row(self, conn: Connection, row: Any) -> File | None:
        stored_parts = conn.execute(
            _SELECT_PARTS, {"of_org_id": row.org_id, "of_file_id": row.file_id}
        )
        parts = Parts.of(Part(*part) for part in stored_parts)
        if (parts.count, parts.size_bytes) != (row.part_count, row.size_bytes):
            return None
        return File(
            name=row.name,
            created_at=row.created_at,
            completed=row.completed,
            deleted=row.deleted,
            swept=row.swept,
            parts=parts,
            linked_by=read(_ids, row.linked_by, "files.linked_by"),
        )

    def rows(
        self, table: Table, org_id: UUID, id_: UUID, state: File, version: int
    ) -> Iterator[SqlRow]:
        if table is files:
            yield from super().rows(table, org_id, id_, state, version)
        else:
            for part in state.parts:
                yield (org_id, id_, *part)

    def persist(
        self,
        conn: Connection,
        org_id: UUID,
        id_: UUID,
        state: File,
        version: int,
        before: Stored[File] | None,
    ) -> None:
        super().persist(conn, org_id, id_, state, version, before)
        parts_before = before.state.parts if before is not None else Parts()
        new = []
        for part in state.parts.changed_since(parts_before):
            if parts_before.get(part.number) is None:
                new.append((org_id, id_, *part))
                continue
            ids = {"of_org_id": org_id, "of_file_id": id_, "of_number": part.number}
            values = {
                "new_size_bytes": part.size_bytes,
                "new_sha256": part.sha256,
                "new_stored": part.stored,
            }
            write(conn, _UPDATE_PART, ids | values, stale)
        if new:
            write_all(conn, file_parts, _PART_COLUMNS, new)


def _ids(linked_by: str) -> frozenset[UUID]:
    return frozenset(map(UUID, canonical_json.load_array(linked_by)))
