"""Create the log, the states, the projections, users and idempotency keys."""

import sqlalchemy as sa
from alembic import op

from catactl.store.sql.types import Document, ExactInteger, IdType, Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logs",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", Instant, nullable=False),
        sa.Column("head_hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="logs_pkey"),
    )
    op.create_table(
        "events",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("stream_id", IdType, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("payload", Document, nullable=False),
        sa.Column("event_id", IdType, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("command_id", IdType, nullable=False),
        sa.Column("correlation_id", IdType, nullable=False),
        sa.Column("causation_id", IdType),
        sa.Column("recorded_at", Instant, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "position", name="events_pkey"),
        sa.UniqueConstraint(
            "org_id", "stream_id", "version", name="events_org_id_stream_id_version_key"
        ),
    )
    op.create_table(
        "organization_names",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("org_id", IdType, nullable=False),
        sa.PrimaryKeyConstraint("name", name="organization_names_pkey"),
    )
    op.create_table(
        "organizations",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("quota_bytes", sa.BigInteger),
        sa.Column("used_bytes", sa.BigInteger, nullable=False),
        sa.Column("file_count", sa.BigInteger, nullable=False),
        sa.Column("part_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="organizations_pkey"),
    )
    op.create_table(
        "files",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("file_id", IdType, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("completed", sa.Boolean, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("part_count", sa.Integer, nullable=False),
        sa.Column("linked_by", Document, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "file_id", name="files_pkey"),
    )
    _create_live_name_index("files")
    op.create_table(
        "file_parts",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("file_id", IdType, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "file_id", "number", name="file_parts_pkey"),
    )
    op.create_table(
        "job_configurations",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("job_id", IdType, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("spec", Document, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "job_id", name="job_configurations_pkey"),
    )
    _create_live_name_index("job_configurations")
    op.create_table(
        "users",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("user_id", IdType, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "user_id", name="users_pkey"),
        sa.UniqueConstraint("org_id", "email", name="users_org_id_email_key"),
        sa.ForeignKeyConstraint(["org_id"], ["logs.org_id"], name="users_org_id_fkey"),
    )
    op.create_table(
        "storage_usage",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("used_bytes", sa.BigInteger, nullable=False),
        sa.Column("file_count", sa.BigInteger, nullable=False),
        sa.Column("part_count", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="storage_usage_pkey"),
    )
    op.create_table(
        "storage_usage_days",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("opening_bytes", sa.BigInteger, nullable=False),
        sa.Column("closing_bytes", sa.BigInteger, nullable=False),
        sa.Column("peak_bytes", sa.BigInteger, nullable=False),
        sa.Column("byte_microseconds", ExactInteger, nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "day", name="storage_usage_days_pkey"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("org_ref", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("recorded_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "key", name="idempotency_keys_pkey"),
    )
    op.create_index("idempotency_keys_key_ix", "idempotency_keys", ["key"])


def _create_live_name_index(table: str) -> None:
    """Make names unique among live rows, so that the name of a deleted row can be used again."""
    op.create_index(
        f"{table}_live_name_key",
        table,
        ["org_id", "name"],
        unique=True,
        postgresql_where=sa.text("NOT deleted"),
        sqlite_where=sa.text("NOT deleted"),
    )


def downgrade() -> None:
    """Refuse, because the log would be lost."""
    raise RuntimeError("the first schema cannot be downgraded: the log would be lost")
