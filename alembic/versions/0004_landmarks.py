"""Add an index of the rare events that change the organization itself."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_IS_LANDMARK = (
    "type IN ('organization.created', 'organization.renamed', 'organization.quota_set', "
    "'organization.quota_cleared', 'organization.suspended', 'organization.resumed', "
    "'organization.deleted', 'organization.storage_usage_corrected')"
)


def upgrade() -> None:
    op.create_index(
        "events_landmarks_ix",
        "events",
        ["org_id", "position"],
        postgresql_where=sa.text(_IS_LANDMARK),
        sqlite_where=sa.text(_IS_LANDMARK),
    )


def downgrade() -> None:
    op.drop_index("events_landmarks_ix", "events")
