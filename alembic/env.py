"""Run migrations on the connection that `catactl db` passes, else on the configured database."""

from alembic import context
from sqlalchemy import Connection

from catactl.store.tables import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    connection: Connection | None = context.config.attributes.get("connection")
    if connection is not None:
        run(connection)
        return
    from catactl.config.settings import load_settings
    from catactl.store.sql.engine import open_engine
    from catactl.store.sql.urls import parse_url

    engine = open_engine(parse_url(load_settings().database_url.value))
    with engine.connect() as own:
        run(own)
        own.commit()


main()
