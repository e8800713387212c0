"""Add corrections of the clock to the index of the rare events of organizations."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BEFORE = (
    "type IN ('organization.created', 'organization.renamed', 'organization.quota_set', "
    "'organization.quota_cleared', 'organization.suspended', 'organization.resumed', "
    "'organization.deleted', 'organization.storage_usage_corrected')"
)
_CORRECTED = "organization.clock_corrected"


def upgrade() -> None:
    _recreate_index(_BEFORE.replace(")", f", '{_CORRECTED}')"))


def downgrade() -> None:
    corrections = sa.text(f"SELECT 1 FROM events WHERE type = '{_CORRECTED}' LIMIT 1")
    if op.get_bind().execute(corrections).scalar():
        raise RuntimeError("a log has a clock correction, which an older catactl cannot read")
    _recreate_index(_BEFORE)


def _recreate_index(condition: str) -> None:
    op.drop_index("events_landmarks_ix", "events")
    op.create_index(
        "events_landmarks_ix",
        "events",
        ["org_id", "position"],
        postgresql_where=sa.text(condition),
        sqlite_where=sa.text(condition),
    )
