"""Commands of users."""

from tests.cli.support import Cli


def test_users_are_added_changed_and_removed(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    added = cli.ok("user", "add", "acme", "Ada@Example.com", "--name", "Ada", "--role", "admin")
    assert (added["email"], added["role"], added["status"]) == (
        "ada@example.com",
        "admin",
        "active",
    )
    shown = cli.ok("user", "show", "acme", "ada@example.com")
    assert cli.ok("user", "show", "acme", added["user_id"]) == shown
    assert cli.ok("user", "list", "acme") == [shown]
    assert cli.ok("user", "update", "acme", "ada@example.com", "--role", "owner")["version"] == 2
    assert cli.ok("user", "disable", "acme", "ada@example.com")["status"] == "disabled"
    assert cli.ok("user", "enable", "acme", "ada@example.com")["status"] == "active"
    cli.ok("user", "update", "acme", "ada@example.com", "--email", "lovelace@example.com")
    cli.ok("user", "remove", "acme", "lovelace@example.com", "--yes")
    assert cli.ok("user", "list", "acme") == []


def test_removing_a_user_needs_confirmation(sqlite_cli: Cli) -> None:
    sqlite_cli.ok("org", "create", "acme")
    sqlite_cli.ok("user", "add", "acme", "ada@example.com")
    error = sqlite_cli.fails(8, "user", "remove", "acme", "ada@example.com", stdin="y\n")
    assert "--yes" in error["hint"]
    assert len(sqlite_cli.ok("user", "list", "acme")) == 1


def test_a_user_that_exists_conflicts_unless_identical(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    add = ["user", "add", "acme", "ada@example.com", "--role"]
    first = cli.ok(*add, "admin")
    cli.fails(4, *add, "admin")
    assert cli.ok(*add, "admin", "--if-not-exists")["user_id"] == first["user_id"]
    cli.fails(4, *add, "owner", "--if-not-exists")
    cli.ok("user", "add", "acme", "bob@example.com")
    cli.fails(4, "user", "update", "acme", "bob@example.com", "--email", "ada@example.com")


def test_impossible_users_are_refused(cli: Cli) -> None:
    cli.ok("org", "create", "acme")
    cli.fails(2, "user", "add", "acme", "ada")
    cli.fails(2, "user", "add", "acme", "ada@example.com", "--role", "king")
    cli.fails(2, "user", "add", "acme", "ada@example.com", "--name", "a\x1b[0m")
    cli.ok("user", "add", "acme", "ada@example.com")
    cli.fails(2, "user", "update", "acme", "ada@example.com")
    error = cli.fails(3, "user", "show", "acme", "adaa@example.com")
    assert error["hint"] == "did you mean 'ada@example.com'?"
