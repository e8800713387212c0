"""Add the generation in which content is stored after it was swept."""

import sqlalchemy as sa
from alembic import op

from catactl.store.sql.types import IdType

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "swept_content",
        sa.Column("org_id", IdType, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "sha256", name="swept_content_pkey"),
    )


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT 1 FROM swept_content LIMIT 1")).scalar():
        raise RuntimeError("content was swept: no older catactl could read the log")
    op.drop_table("swept_content")
