"""Commands of quotas, and sizes on the command line."""

import pytest

from tests.cli.support import Cli, record


def test_a_quota_below_usage_is_accepted_with_a_note(cli: Cli) -> None:
    cli.has_file("acme", "data.bin", 1_000)
    result = cli("quota", "set", "acme", "10", "--json")
    assert (result.code, result.json["quota_bytes"]) == (0, 10)
    assert "1,000 bytes are used" in cli("quota", "set", "acme", "11").stderr
    assert cli("quota", "set", "acme", "9", "-q").stderr == ""
    assert cli.fails(5, *record(2, 1))["code"] == "quota_exceeded"
    assert cli.ok(*record(1, 5))["size_bytes"] == 5  # less is always welcome
    assert cli.ok("quota", "clear", "acme")["quota_bytes"] is None


def test_quotas_are_listed_by_the_share_that_is_used(cli: Cli) -> None:
    cli.has_file("acme", "data.bin", 90)
    cli.ok("quota", "set", "acme", "100")
    cli.ok("org", "create", "free")
    cli.ok("org", "create", "small", "--quota", "0")
    shares = {row["name"]: row["used_percent"] for row in cli.ok("quota", "list")}
    assert shares == {"acme": 90, "small": 0}
    assert [row["name"] for row in cli.ok("quota", "list", "--over", "80%")] == ["acme"]
    assert cli.ok("quota", "list", "--over", "90") == []
    cli.ok("quota", "set", "acme", "89")
    (acme,) = cli.ok("quota", "list", "--over", "101")
    assert acme["used_percent"] == 101
    cli.fails(2, "quota", "list", "--over", "most")


@pytest.mark.parametrize(
    "size", ["-1", "-1GB", "10G", "1.5", "ten", "", "1e9", "9223372036854775808", "9PB9", "9" * 70]
)
def test_invalid_sizes_are_refused(size: str, sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    result = sqlite_cli("quota", "set", "--json", "--", "acme", size)
    assert (result.code, result.stdout) == (2, "")
    assert sqlite_cli.fails(2, *record(1, size))["code"] == "invalid_value"
    assert sqlite_cli.fails(2, "org", "create", "x", f"--quota={size}")["code"] == "invalid_value"
    assert sqlite_cli.ok("usage", "show", "acme")["used_bytes"] == 0


def test_a_bare_unit_is_refused_with_both_meanings_in_the_hint(sqlite_cli: Cli) -> None:
    hint = sqlite_cli.fails(2, "org", "create", "x", "--quota", "10G")["hint"]
    assert "GB" in hint
    assert "GiB" in hint
