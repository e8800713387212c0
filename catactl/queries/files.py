"""Files and their parts as they are."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from catactl.queries.rows import stored_row, stream_rows
from catactl.results.files import FileResult
from catactl.results.parts import ListedPart
from catactl.store.canonical_json import format_instant, load_array
from catactl.store.tables import file_parts, files


def list_files(conn: Connection, org_id: UUID, *, deleted: bool = False) -> Iterator[FileResult]:
    """Yield an organization's files in order of name; with `deleted` also deleted ones."""
    query = select(files).where(files.c.org_id == org_id).order_by(files.c.name, files.c.file_id)
    return map(_result, stream_rows(conn, query if deleted else query.where(~files.c.deleted)))


def get_file(conn: Connection, org_id: UUID, file_id: UUID) -> FileResult:
    """Return a file; raise `CorruptLog` if its row cannot be found by its id."""
    query = select(files).where(files.c.org_id == org_id, files.c.file_id == file_id)
    return _result(stored_row(conn, query, "file", file_id))


def list_parts(conn: Connection, org_id: UUID, file_id: UUID) -> Iterator[ListedPart]:
    """Yield the parts of a file in order of number."""
    parts = file_parts.c
    query = (
        select(parts.number, parts.size_bytes, parts.sha256, parts.stored)
        .where(parts.org_id == org_id, parts.file_id == file_id)
        .order_by(parts.number)
    )
    for row in stream_rows(conn, query):
        yield {
            "number": row["number"],
            "size_bytes": row["size_bytes"],
            "sha256": row["sha256"],
            "stored": row["stored"],
        }


def _result(row: RowMapping) -> FileResult:
    status = "deleted" if row["deleted"] else "complete" if row["completed"] else "uploading"
    return {
        "org_id": str(row["org_id"]),
        "file_id": str(row["file_id"]),
        "name": row["name"],
        "status": status,
        "size_bytes": row["size_bytes"],
        "part_count": row["part_count"],
        "linked_by": load_array(row["linked_by"]),
        "content_swept": row["swept"],
        "created_at": format_instant(row["created_at"]),
        "version": row["version"],
    }
