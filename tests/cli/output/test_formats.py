"""Each output format, and characters that must not reach a terminal."""

import pytest
from sqlalchemy import URL, update

from catactl.store.tables import organizations
from tests.cli.support import Cli
from tests.support import tampering


def test_each_format_prints_a_list_its_way(sqlite_cli: Cli) -> None:
    assert sqlite_cli("org", "list", "--json").stdout == "[]\n"
    for format_ in ("jsonl", "tsv", "id", "table"):
        assert sqlite_cli("org", "list", "-o", format_).stdout == ""
    created = sqlite_cli.ok("org", "create", "acme", "--quota", "1KiB")
    org_id, created_at = created["org_id"], created["created_at"]
    sqlite_cli.ok("org", "create", "beta")
    assert len(sqlite_cli("org", "list", "-o", "json").json) == 2
    jsonl = sqlite_cli("org", "list", "-o", "jsonl").lines
    assert len(jsonl) == 2
    assert jsonl[0].startswith('{"org_id": ')
    csv = sqlite_cli("org", "list", "-o", "csv").lines
    assert csv[0] == "org_id,name,status,used_bytes,quota_bytes,created_at"
    assert csv[1] == f"{org_id},acme,active,0,1024,{created_at}"
    plain = sqlite_cli("org", "list")  # off a terminal
    assert plain == sqlite_cli("org", "list", "-o", "tsv")
    assert plain.lines[0] == f"{org_id}\tacme\tactive\t0\t1024\t{created_at}"
    assert sqlite_cli("org", "list", "-o", "id").lines[0] == org_id
    table = sqlite_cli("org", "list", "-o", "table").lines
    assert table[0].split() == ["ORG", "ID", "NAME", "STATUS", "USED", "QUOTA", "CREATED", "AT"]
    assert "unlimited" in sqlite_cli("org", "list", "-o", "table").stdout
    assert sqlite_cli("org", "list", "-q").stdout == ""


def test_each_format_prints_one_resource_its_way(sqlite_cli: Cli) -> None:
    created = sqlite_cli("org", "create", "acme", "-o", "id")
    org_id = created.stdout.strip()
    assert sqlite_cli("org", "show", "acme", "-o", "id").stdout == f"{org_id}\n"
    assert sqlite_cli("org", "show", "acme", "-o", "tsv").lines[:2] == [
        f"org_id\t{org_id}",
        "name\tacme",
    ]
    assert len(sqlite_cli("org", "show", "acme", "-o", "csv").lines) == 2
    assert len(sqlite_cli("org", "show", "acme", "-o", "jsonl").lines) == 1
    assert "unlimited" in sqlite_cli("org", "show", "acme", "-o", "table").stdout


@pytest.mark.parametrize(
    ("format_", "nasty"),
    [
        (format_, nasty)
        for format_ in ("table", "tsv", "csv", "json", "jsonl")
        for nasty in ("x\x1b]0;owned\x07\x1b[31m", "x\x9b31m", "x\u202egpj", "x\x7f")
    ],
)
def test_control_characters_in_stored_names_never_reach_stdout(
    format_: str, nasty: str, sqlite_cli: Cli, sqlite_url: URL
) -> None:
    org_id = sqlite_cli.ok("org", "create", "acme")["org_id"]
    with tampering(sqlite_url) as conn:  # as a version that checked less might have stored it
        conn.execute(update(organizations).values(name=nasty))
    for command in (["org", "list"], ["org", "show", org_id], ["usage", "show"]):
        result = sqlite_cli(*command, "-o", format_)
        assert result.code == 0
        assert not set(nasty) & set("\x1b\x07\x9b\u202e\x7f") & set(result.stdout)


@pytest.mark.parametrize("format_", ["table", "tsv", "csv", "json"])
def test_markup_in_names_and_reasons_is_only_text(format_: str, sqlite_cli: Cli) -> None:
    name, reason = "[b]x:smile:", "[red]why[/red] [/]"
    sqlite_cli.ok("org", "create", name, "--reason", reason)
    assert name in sqlite_cli("org", "list", "-o", format_).stdout
    assert name in sqlite_cli("org", "show", name, "-o", format_).stdout
    assert reason in sqlite_cli("event", "show", name, "1", "-o", format_).stdout


@pytest.mark.parametrize("nasty", ["\x1b[31mred", "a\nb", "a\x9bb", "a\u202eb"])
def test_control_characters_in_arguments_are_refused_and_not_echoed(
    nasty: str, sqlite_cli: Cli
) -> None:
    sqlite_cli.ok("org", "create", "acme")
    for command, code in (
        (["org", "show", nasty], 3),
        (["org", "suspend", "acme", "--reason", nasty], 2),
        (["org", "suspend", "acme", "--actor", nasty], 2),
        (["org", "suspend", "acme", "--idempotency-key", nasty], 2),
        ([nasty], 2),
        (["org", nasty], 2),
    ):
        result = sqlite_cli(*command)
        assert (result.code, result.stdout) == (code, "")
        assert not set(nasty) & set("\x1b\x9b\u202e") & set(result.stderr)
        assert len(result.stderr.splitlines()) <= 2
