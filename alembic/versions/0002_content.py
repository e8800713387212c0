"""Add columns for parts whose content is stored, and for deleted files whose content was swept."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Before this revision catactl could only record parts, so the default is false.
    for table, column in (("file_parts", "stored"), ("files", "swept")):
        op.add_column(
            table, sa.Column(column, sa.Boolean, nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    kept = op.get_bind().execute(sa.text("SELECT 1 FROM file_parts WHERE stored LIMIT 1")).scalar()
    if kept:
        raise RuntimeError("content was uploaded: no older catactl could read the log")
    for table, column in (("files", "swept"), ("file_parts", "stored")):
        op.drop_column(table, column)
