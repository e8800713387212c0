"""The fixtures that the tests of commands have."""

from tests.cli.conftest import acme, blob_folder, cli, home, sqlite_acme, sqlite_cli, stranger

__all__ = ["acme", "blob_folder", "cli", "home", "sqlite_acme", "sqlite_cli", "stranger"]
