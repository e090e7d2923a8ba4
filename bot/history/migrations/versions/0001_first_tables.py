"""People, jobs, pictures, promises and settings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("interaction_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("channel_id", sa.BigInteger, nullable=False),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("token_expires_at", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.BigInteger),
        sa.Column("upload_limit", sa.BigInteger, nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("moved_at", sa.BigInteger, nullable=False),
        sa.Column("input_sha256", sa.String(64)),
        sa.Column("parent_id", sa.String(64)),
        sa.Column("attempt", sa.BigInteger, nullable=False),
        sa.Column("crashes", sa.BigInteger, nullable=False),
        sa.Column("cancel_requested_at", sa.BigInteger),
        sa.Column("cancel_requested_by", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("seconds", sa.Double),
        sa.Column("notices", sa.JSON, nullable=False),
        sa.Column("posted_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("interaction_id", name="uq_jobs_interaction_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_jobs_user_id_users"),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["jobs.id"], name="fk_jobs_parent_id_jobs", ondelete="SET NULL"
        ),
    )
    for column in ("user_id", "message_id", "fingerprint", "state", "input_sha256", "parent_id"):
        op.create_index(f"ix_jobs_{column}", "jobs", [column])
    op.create_table(
        "images",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("index", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("thumbnail_sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("width", sa.BigInteger, nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("infotext", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "index", name="pk_images"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_images_job_id_jobs", ondelete="CASCADE"),
    )
    for column in ("sha256", "thumbnail_sha256"):
        op.create_index(f"ix_images_{column}", "images", [column])
    op.create_table(
        "promises",
        sa.Column("interaction_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("interaction_id", name="pk_promises"),
    )
    op.create_table(
        "settings",
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("scope_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("scope", "scope_id", "key", name="pk_settings"),
    )


def downgrade() -> None:
    for table in ("settings", "promises", "images", "jobs", "users"):
        op.drop_table(table)
