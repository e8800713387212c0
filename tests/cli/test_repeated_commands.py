"""Commands that run again under their key, and dry runs."""

from typing import Any

import pytest

from tests.cli.support import Cli, record


@pytest.mark.parametrize(
    "command",
    [
        ["org", "rename", "acme", "acme-inc"],
        ["org", "delete", "acme", "--confirm", "acme"],
        ["org", "suspend", "acme"],
        ["quota", "set", "acme", "5MB"],
        ["file", "create", "acme", "new.bin"],
        ["user", "add", "acme", "ada@example.com"],
        ["job", "create", "acme", "nightly", "--image", "x"],
    ],
)
def test_a_command_under_a_key_runs_once(command: list[str], sqlite_cli: Cli) -> None:
    org_id = sqlite_cli.ok("org", "create", "acme")["org_id"]
    first = sqlite_cli.ok(*command, "--idempotency-key", "k-1")
    length = len(sqlite_cli.events(org_id))
    assert sqlite_cli.ok(*command, "--idempotency-key", "k-1") == first
    assert len(sqlite_cli.events(org_id)) == length


@pytest.mark.parametrize(
    "command", [["org", "rename", "acme", "old"], ["org", "delete", "acme", "--confirm", "acme"]]
)
def test_a_repeated_command_does_not_change_another_item_of_the_same_name(
    command: list[str], cli: Cli
) -> None:
    cli.ok("org", "create", "acme")
    first = cli.ok(*command, "--idempotency-key", "k-1")
    another = cli.ok("org", "create", "acme")
    assert cli.ok(*command, "--idempotency-key", "k-1") == first
    assert cli.ok("org", "show", "acme")["org_id"] == another["org_id"]
    # The key is free in the other organization. There another command under it is a conflict.
    suspended = cli.ok("org", "suspend", "acme", "--idempotency-key", "k-1")
    assert suspended["org_id"] == another["org_id"]
    assert cli.fails(4, "org", "resume", "acme", "--idempotency-key", "k-1")


def test_creating_run_again_under_its_key_gives_the_first_result(cli: Cli) -> None:
    command = ["org", "create", "acme", "--quota", "1KB", "--idempotency-key", "k-1"]
    first = cli.ok(*command)
    assert cli.ok(*command) == first
    cli.ok("org", "rename", "acme", "acme-inc")
    assert cli.ok(*command) == first
    assert len(cli.ok("org", "list", "--all")) == 1


def test_a_key_belongs_to_one_request(cli: Cli) -> None:
    key = ["--idempotency-key", "k-1"]
    cli.ok("org", "create", "acme", *key)
    other = cli.fails(4, "org", "create", "other", *key)
    assert other["code"] == "idempotency_key_reused"
    cli.ok("quota", "set", "acme", "5MB", "--idempotency-key", "k-2")
    cli.fails(4, "quota", "set", "acme", "6MB", "--idempotency-key", "k-2")
    cli.fails(4, "quota", "clear", "acme", "--idempotency-key", "k-2")
    cli.fails(2, "quota", "clear", "acme", "--idempotency-key", "")
    cli.fails(2, "quota", "clear", "acme", "--idempotency-key", "x" * 257)


@pytest.mark.parametrize(
    "command",
    [
        ["org", "rename", "acme", "acme-inc"],
        ["org", "suspend", "acme"],
        ["quota", "set", "acme", "5MB"],
        ["user", "add", "acme", "bob@example.com"],
        ["user", "remove", "acme", "ada@example.com", "--yes"],
        ["job", "create", "acme", "nightly", "--image", "x"],
        ["file", "create", "acme", "new.bin"],
        ["file", "complete", "acme", "data.bin"],
        ["file", "delete", "acme", "data.bin"],
        record(2, 50),
    ],
)
def test_a_dry_run_prints_the_result_and_writes_nothing(
    command: list[str], sqlite_cli: Cli
) -> None:
    sqlite_cli.has_file("acme", "data.bin", 100)
    sqlite_cli.ok("user", "add", "acme", "ada@example.com")

    def everything() -> list[Any]:
        views = ("org", "show"), ("event", "list"), ("user", "list"), ("job", "list")
        return [sqlite_cli.ok(*view, "acme") for view in (*views, ("file", "list"))]

    before = everything()
    tried = sqlite_cli.ok(*command, "--dry-run", "--idempotency-key", "k")
    assert tried["dry_run"] is True
    assert everything() == before
    done = sqlite_cli.ok(*command, "--idempotency-key", "k")  # the key was not used up
    assert "dry_run" not in done
    assert done["events"] == tried["events"]
    assert done["version"] == tried["version"]
