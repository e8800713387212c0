"""Commands report any odd value in any column, and never end with a bug."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, BigInteger, Boolean, Column, Engine, Integer, LargeBinary, Table, text

from catactl.cli.framework.exit_codes import BUG
from catactl.errors import CorruptLog
from catactl.handling import row_check
from catactl.store import hash_chain
from catactl.store.sql.engine import reading
from catactl.store.sql.types import Document, ExactInteger, IdType, Instant
from catactl.store.tables import idempotency_keys, metadata, users
from catactl.usage import check
from tests.cli.support import Cli
from tests.support import tampering

# Commands that read each table, or write to it.
_COMMANDS = {
    "events": ("event list acme", "event trace acme 3", "usage explain acme"),
    "logs": ("usage show acme", "org rename acme other --dry-run"),
    "organization_names": ("org show acme",),
    "organizations": ("org show acme", "usage show", "quota set acme 2GB --dry-run"),
    "files": ("file list acme", "file download acme data.bin --to {to}"),
    "file_parts": ("part list acme data.bin", "file download acme data.bin --to {to}"),
    "job_configurations": ("job list acme", "job show acme nightly"),
    "users": ("user list acme", "user disable acme ada@example.com --dry-run"),
    "storage_usage": ("usage show acme", "usage explain acme"),
    "storage_usage_days": ("usage report", "usage history acme"),
    "swept_content": ("blob verify",),
    "idempotency_keys": ("file create acme keyed --idempotency-key key",),
}
_UNPROVED = {users, idempotency_keys}


def _odd_values(column: Column[Any], dialect: str) -> tuple[str, ...]:
    """Return SQL for values that no command writes: of any type on SQLite, of the column's type on
    PostgreSQL.
    """
    is_sqlite = dialect == "sqlite"
    match column.type:
        case Document():
            return ("'{'", "'[1]'") if is_sqlite else ("'5'", "'[1]'")
        case Boolean():
            return ("2",) if is_sqlite else (f"NOT {column.name}",)
        case BigInteger() | Integer():
            return ("'abc'",) if is_sqlite else ("2147483647",)
        case Instant():
            return ("'2026-01-01T00:00:00'",) if is_sqlite else ("'infinity'",)
        case ExactInteger():
            return ("'abc'",) if is_sqlite else ("'NaN'",)
        case IdType():
            return ("'abc'",) if is_sqlite else ("'00000000-0000-0000-0000-000000000000'",)
        case LargeBinary():
            return ("'abc'",) if is_sqlite else ("''",)
        case _:
            return ("x'00ff'",) if is_sqlite else ("''",)


def _fill(acme: Cli, folder: Path) -> None:
    """Put a row into every table."""
    (folder / "data.bin").write_text("content")
    (folder / "swept").write_text("other content")
    acme.ok("quota", "set", "acme", "1GB")
    acme.ok("file", "upload", "acme", folder / "data.bin")
    acme.ok("file", "upload", "acme", folder / "swept")
    acme.ok("file", "delete", "acme", "swept")
    acme.ok("blob", "gc", "--older-than", "0", "--yes")
    acme.ok("job", "create", "acme", "nightly", "--image", "x", "--input", "data.bin")
    acme.ok("user", "add", "acme", "ada@example.com", "--name", "Ada")
    acme.ok("file", "create", "acme", "keyed", "--idempotency-key", "key")


def _is_found(engine: Engine, org_id: UUID) -> bool:
    """Return whether `event verify`, `usage check` or `projection check` finds something."""
    (usage,) = check.check(engine, [org_id])
    (rows,) = row_check.check(engine, [org_id])
    if usage.drifted or rows.differs:
        return True
    try:
        with reading(engine) as conn:
            return hash_chain.verify(conn, org_id)[1] is not None
    except CorruptLog:
        return True


# Because SQLAlchemy does not close a server-side cursor that fails when it is opened.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("table", metadata.tables.values(), ids=str)
def test_an_odd_value_is_a_finding_and_not_a_bug(
    table: Table, acme: Cli, database_url: URL, engine: Engine, tmp_path: Path
) -> None:
    _fill(acme, tmp_path)
    dialect = database_url.get_backend_name()
    keys = ", ".join(column.name for column in table.primary_key)
    one_row = f"({keys}) IN (SELECT {keys} FROM saved ORDER BY {keys} LIMIT 1)"
    same_row = " AND ".join(f"s.{key} = {table.name}.{key}" for key in keys.split(", "))
    org_id = UUID(acme.ok("org", "show", "acme")["org_id"])
    with tampering(database_url) as conn:
        conn.execute(text(f"CREATE TABLE saved AS SELECT * FROM {table.name}"))
        saved = conn.execute(text("SELECT count(*) FROM saved")).scalar_one()
    assert saved, f"`_fill` puts no row into {table.name}"
    assert table.name in _COMMANDS, f"`_COMMANDS` lacks commands that read {table.name}"
    for column in table.columns:
        if column.primary_key:
            continue
        for value in _odd_values(column, dialect):
            with tampering(database_url) as conn:
                changed = f"UPDATE {table.name} SET {column.name} = {value} WHERE {one_row}"
                changed_rows = conn.execute(text(changed)).rowcount
            commands = [each.format(to=tmp_path / "copy") for each in _COMMANDS[table.name]]
            codes = {each: acme(*each.split(), "--json").code for each in commands}
            assert BUG not in codes.values(), (column, value, codes)
            if changed_rows and table not in _UNPROVED:
                assert _is_found(engine, org_id), (column, value)
            with tampering(database_url) as conn:
                was = f"SELECT {column.name} FROM saved AS s WHERE {same_row}"
                conn.execute(text(f"UPDATE {table.name} SET {column.name} = ({was})"))
