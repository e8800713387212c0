"""All tables. A test compares the migrations with this file.

`org_id` comes first in each primary key and unique index, so that the rows of an organization can
be on one shard. The exceptions are `organization_names`, which maps names to ids, and Alembic's own
table.

`logs` and `events` are the source of truth, `users` are ordinary rows, `idempotency_keys` store
results. All other tables are derived from events and can be rebuilt at any time.
"""

from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    MetaData,
    Table,
    TextClause,
    UniqueConstraint,
    false,
    text,
)

from catactl.store.sql.types import (
    CheckedBigInteger,
    CheckedBoolean,
    CheckedBytes,
    CheckedInteger,
    CheckedString,
    CheckedText,
    Day,
    Document,
    ExactInteger,
    IdType,
    Instant,
    name_column,
)

# The revision that this version of the code works with: the head of `alembic/versions`.
SCHEMA_REVISION = "0006"

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def _partial(name: str, *columns: Column[Any], where: TextClause, unique: bool = False) -> Index:
    """Return an index of the rows that meet a condition. It lacks `postgresql_where`, which would
    load the dialect of PostgreSQL. The migrations, which create the indexes, have it.
    """
    return Index(name, *columns, unique=unique, sqlite_where=where)


# The head of each organization's log. Every write locks this row first.
logs = Table(
    "logs",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("position", CheckedBigInteger, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("head_hash", CheckedBytes, nullable=False),
)

# Storage format: names, payloads and hashes of events never change once written.
events = Table(
    "events",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("position", CheckedBigInteger, primary_key=True, autoincrement=False),
    Column("stream_id", IdType, nullable=False),
    Column("version", CheckedBigInteger, nullable=False),
    Column("type", CheckedText, nullable=False),
    Column("schema_version", CheckedInteger, nullable=False),
    Column("payload", Document, nullable=False),
    Column("event_id", IdType, nullable=False),
    Column("actor", CheckedText, nullable=False),
    Column("reason", CheckedText),
    Column("command_id", IdType, nullable=False),
    Column("correlation_id", IdType, nullable=False),
    Column("causation_id", IdType),
    Column("recorded_at", Instant, nullable=False),
    Column("hash", CheckedBytes, nullable=False),
    UniqueConstraint("org_id", "stream_id", "version"),
)

# The rare events that change the organization itself. Queries must repeat this condition of the
# index exactly, or the database does not use the index.
IS_LIFECYCLE_EVENT = text(
    "type IN ('organization.created', 'organization.renamed', 'organization.quota_set', "
    "'organization.quota_cleared', 'organization.suspended', 'organization.resumed', "
    "'organization.deleted', 'organization.storage_usage_corrected', "
    "'organization.clock_corrected')"
)
_partial("events_landmarks_ix", events.c.org_id, events.c.position, where=IS_LIFECYCLE_EVENT)

organization_names = Table(
    "organization_names",
    metadata,
    Column("name", CheckedText, primary_key=True),
    Column("org_id", IdType, nullable=False),
)

organizations = Table(
    "organizations",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("name", CheckedText, nullable=False),
    Column("status", CheckedText, nullable=False),
    Column("quota_bytes", CheckedBigInteger),
    Column("used_bytes", CheckedBigInteger, nullable=False),
    Column("file_count", CheckedBigInteger, nullable=False),
    Column("part_count", CheckedBigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("version", CheckedBigInteger, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("file_id", IdType, primary_key=True),
    Column("name", CheckedText, nullable=False),
    Column("completed", CheckedBoolean, nullable=False),
    Column("deleted", CheckedBoolean, nullable=False),
    Column("swept", CheckedBoolean, nullable=False, server_default=false()),
    Column("size_bytes", CheckedBigInteger, nullable=False),
    Column("part_count", CheckedInteger, nullable=False),
    Column("linked_by", Document, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("version", CheckedBigInteger, nullable=False),
)
_partial(
    "files_live_name_key", files.c.org_id, files.c.name, where=text("NOT deleted"), unique=True
)


def is_live(table: Table) -> TextClause:
    """Return the condition of the index of live names, which queries must repeat exactly, or SQLite
    does not use the index.
    """
    return text(f"NOT {table.name}.deleted")


file_parts = Table(
    "file_parts",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("file_id", IdType, primary_key=True),
    Column("number", CheckedInteger, primary_key=True, autoincrement=False),
    Column("size_bytes", CheckedBigInteger, nullable=False),
    Column("sha256", CheckedString(64), nullable=False),
    Column("stored", CheckedBoolean, nullable=False, server_default=false()),
)

job_configurations = Table(
    "job_configurations",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("job_id", IdType, primary_key=True),
    Column("name", CheckedText, nullable=False),
    Column("spec", Document, nullable=False),
    Column("enabled", CheckedBoolean, nullable=False),
    Column("deleted", CheckedBoolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("version", CheckedBigInteger, nullable=False),
)
_partial(
    "job_configurations_live_name_key",
    job_configurations.c.org_id,
    job_configurations.c.name,
    where=text("NOT deleted"),
    unique=True,
)

users = Table(
    "users",
    metadata,
    Column("org_id", IdType, ForeignKey(logs.c.org_id), primary_key=True),
    Column("user_id", IdType, primary_key=True),
    Column("email", CheckedText, nullable=False),
    Column("name", CheckedText),
    Column("role", CheckedText, nullable=False),
    Column("disabled", CheckedBoolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("version", CheckedBigInteger, nullable=False),
    UniqueConstraint("org_id", "email"),
)

storage_usage = Table(
    "storage_usage",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("used_bytes", CheckedBigInteger, nullable=False),
    Column("file_count", CheckedBigInteger, nullable=False),
    Column("part_count", CheckedBigInteger, nullable=False),
    Column("position", CheckedBigInteger, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)

# A row for each UTC day on which usage changed. `byte_microseconds` is the integral of usage over
# time from the start of the day to `changed_at`. For the rest of the day usage is `closing_bytes`.
storage_usage_days = Table(
    "storage_usage_days",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("day", Day, primary_key=True),
    Column("opening_bytes", CheckedBigInteger, nullable=False),
    Column("closing_bytes", CheckedBigInteger, nullable=False),
    Column("peak_bytes", CheckedBigInteger, nullable=False),
    Column("byte_microseconds", ExactInteger, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

# The generation in which the content of a digest is stored; 0 for a digest without a row.
swept_content = Table(
    "swept_content",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("sha256", CheckedString(64), primary_key=True),
    Column("generation", CheckedInteger, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("org_id", IdType, primary_key=True),
    Column("key", CheckedText, primary_key=True),
    Column("org_ref", CheckedText, nullable=False),
    Column("fingerprint", CheckedString(64), nullable=False),
    Column("fingerprint_version", CheckedInteger, nullable=False, server_default=text("1")),
    Column("result", CheckedText, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)
Index("idempotency_keys_key_ix", idempotency_keys.c.key)

for _table in metadata.tables.values():
    for _column in _table.columns:
        name_column(_column.type, f"{_table.name}.{_column.name}")
