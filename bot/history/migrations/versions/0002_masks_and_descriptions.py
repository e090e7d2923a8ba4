"""A job's mask beside its input image, and the text that a picture was described by."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("mask_sha256", sa.String(64)))
    op.add_column("jobs", sa.Column("description", sa.Text))
    op.create_index("ix_jobs_mask_sha256", "jobs", ["mask_sha256"])


def downgrade() -> None:
    op.drop_index("ix_jobs_mask_sha256", "jobs")
    op.drop_column("jobs", "description")
    op.drop_column("jobs", "mask_sha256")
