"""Share the fixtures of the tests of commands."""

from tests.cli.conftest import acme, blob_folder, cli, home, sqlite_acme, sqlite_cli, stranger

__all__ = ["acme", "blob_folder", "cli", "home", "sqlite_acme", "sqlite_cli", "stranger"]
