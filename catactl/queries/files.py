"""Files and their parts as they are."""

from collections.abc import Iterator
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from catactl.queries.rows import stored_row, stream_rows
from catactl.results.files import FileResult, ListedPart
from catactl.results.result import result_from
from catactl.store.canonical_json import load_array
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
        select(*(parts[name] for name in ListedPart.__annotations__))
        .where(parts.org_id == org_id, parts.file_id == file_id)
        .order_by(parts.number)
    )
    return map(partial(result_from, ListedPart), stream_rows(conn, query))


def _result(row: RowMapping) -> FileResult:
    status = "deleted" if row["deleted"] else "complete" if row["completed"] else "uploading"
    others = {"linked_by": load_array(row["linked_by"]), "content_swept": row["swept"]}
    return result_from(FileResult, {**row, "status": status, **others})
