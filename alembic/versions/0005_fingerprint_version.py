"""Add the version of the rules that made an idempotency key's fingerprint."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Fingerprints of version 1 were made from the texts of the command line.
    op.add_column(
        "idempotency_keys",
        sa.Column("fingerprint_version", sa.Integer, nullable=False, server_default=sa.text("1")),
    )


def downgrade() -> None:
    op.drop_column("idempotency_keys", "fingerprint_version")
