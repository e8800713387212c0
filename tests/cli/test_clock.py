"""Commands report logs that are ahead of the clock, and one command corrects them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, delete

from catactl.store import clock
from catactl.store.tables import events
from tests.cli.support import Cli, record
from tests.support import be_ahead, tampering


@pytest.fixture
def ahead(cli: Cli, engine: Engine) -> Cli:
    """Return a CLI with two organizations; the log of acme is years ahead of the clock."""
    cli.has_file("acme", "data.bin", 1_000)
    cli.has_file("beta", "data.bin", 7)
    be_ahead(engine)
    return cli


_CORRECT = ("event", "correct-clock", "acme", "--reason", "a clock was wrong")


def test_no_command_writes_events_dated_in_the_future(ahead: Cli) -> None:
    before = ahead.ok("event", "list", "acme")
    for command in (
        record(2, 1),
        ["file", "delete", "acme", "data.bin", "--yes"],
        ["org", "rename", "acme", "other"],
        ["quota", "set", "acme", "1GB"],
        ["user", "add", "acme", "ada@example.com"],
        ["job", "create", "acme", "nightly", "--image", "x"],
        ["org", "delete", "acme", "--confirm", "acme"],
    ):
        error = ahead.fails(78, *command)
        assert error["code"] == "clock_behind_log"
        assert error["message"].startswith("the log of organization 'acme' is 2 years, ")
        assert error["hint"].endswith("catactl event correct-clock acme --reason TEXT")
    assert ahead.ok("event", "list", "acme") == before
    assert ahead.ok("user", "list", "acme") == []


def test_an_upload_is_refused(ahead: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("source") / "file"
    path.write_text("content")
    assert ahead("file", "upload", "acme", path).code == 78
    assert "file" not in {each["name"] for each in ahead.ok("file", "list", "acme")}


@pytest.mark.parametrize("atomic", [False, True])
def test_a_line_of_a_batch_fails_alone_unless_the_batch_is_atomic(
    ahead: Cli, tmp_path: Path, atomic: bool
) -> None:
    lines = [{"command": "file.create", "org": org, "name": "new"} for org in ("acme", "beta")]
    path = tmp_path / "lines"
    path.write_text("\n".join(map(json.dumps, lines)))
    result = ahead("apply", "--from", path, "--json", *["--atomic"] * atomic)
    assert result.code == (78 if atomic else 7)
    assert "clock_behind_log" in (result.stderr if atomic else result.stdout)
    names = {each["name"] for each in ahead.ok("file", "list", "beta")}
    assert ("new" in names) is not atomic


def test_a_stored_result_is_printed_even_while_the_log_is_ahead(cli: Cli, engine: Engine) -> None:
    cli.ok("org", "create", "acme")
    command = ("file", "create", "acme", "f", "--idempotency-key", "k")
    before = cli.ok(*command)
    be_ahead(engine)
    assert cli.ok(*command) == before


def test_commands_warn_of_a_log_that_is_ahead(ahead: Cli) -> None:
    commands: list[tuple[str, ...]] = [
        ("usage", "show"),
        ("usage", "show", "--as-of", "now"),
        ("usage", "report"),
    ]
    for command in commands:
        rows = {row["name"]: row for row in ahead.ok(*command)}
        assert rows["acme"]["clock_ahead_seconds"] > 900 * 86_400
        assert rows["beta"]["clock_ahead_seconds"] == 0
        result = ahead(*command)
        assert result.code == 0
        assert "the log of organization 'acme' is 2 years, " in result.stderr
        assert "catactl event correct-clock acme" in result.stderr
        assert ahead(*command, "beta").stderr == ""


def test_a_check_finds_a_log_that_is_ahead(ahead: Cli) -> None:
    result = ahead("usage", "check", "--json")
    assert (result.code, result.json["drifted"]) == (6, 0)
    found = {row["name"]: row["clock_ahead_seconds"] for row in result.json["organizations"]}
    assert found["acme"] > 900 * 86_400
    assert found["beta"] == 0
    assert "1 of 2 logs are ahead of the clock" in result.error["message"]
    assert "catactl event correct-clock acme" in result.error["hint"]
    assert ahead("usage", "check", "--quiet").code == 6
    assert ahead("usage", "check", "beta").code == 0


def test_a_clock_is_corrected_once_and_commands_work_again(ahead: Cli) -> None:
    month = ("usage", "report", "--from", "2026-01-01", "--to", "2026-02-01")
    over = ahead.ok(*month)
    question = ahead.fails(8, *_CORRECT)
    assert question["hint"] == "add --yes"
    assert "so that 2 events with later dates count from then" in question["message"]
    dry = ahead.ok(*_CORRECT, "--dry-run")
    assert (dry["events"], dry["dry_run"]) == (["organization.clock_corrected"], True)
    done = ahead.ok(*_CORRECT, "--yes", "--idempotency-key", "k")
    assert done["events"] == ["organization.clock_corrected"]
    assert ahead.ok(*_CORRECT, "--yes", "--idempotency-key", "k") == done
    error = ahead.fails(5, *_CORRECT, "--yes")
    assert error["message"] == "the log of organization 'acme' is not ahead of the clock"
    last = ahead.ok("event", "list", "acme")[-1]
    payload = last["payload"]
    assert payload["corrected_at"] == last["recorded_at"] < payload["last_recorded_at"]
    assert last["reason"] == "a clock was wrong"
    ahead.record(2, 500)
    for check in ("usage check", "event verify", "usage explain acme"):
        assert ahead(*check.split()).code == 0
    for show in ("usage show acme", "usage show acme --as-of now"):
        shown = ahead.ok(*show.split())
        assert (shown["used_bytes"], shown["clock_ahead_seconds"]) == (1_500, 0)
    (line,) = ahead.ok("usage", "report", "acme")
    assert (line["closing_bytes"], line["clock_ahead_seconds"]) == (1_500, 0)
    assert ahead.ok(*month) == over
    ahead.ok("projection", "rebuild")
    assert ahead("usage", "check").code == 0


def test_a_recomputation_corrects_the_other_organizations(ahead: Cli, database_url: URL) -> None:
    with tampering(database_url) as conn:
        first = events.c.position == 3  # the usage event of the file's creation
        conn.execute(delete(events).where(first))
    result = ahead("usage", "recompute", "--json")
    assert result.code == 78
    corrected = {row["name"]: row["correction"] for row in result.json["organizations"]}
    assert corrected == {"acme": None, "beta": "event"}
    assert result.error["code"] == "clock_behind_log"


@pytest.mark.parametrize(
    ("command", "field"),
    [
        ("usage show acme --as-of -3d", "used_bytes"),
        ("org show acme --as-of -3d", "used_bytes"),
        ("usage history acme --from -3d --every hour", "closing_bytes"),
        ("usage explain acme --to -3d", "used_bytes"),
        ("usage export acme --format cloudevents --to -3d", "subject"),
        ("blob gc --older-than 3d --dry-run", "given_up_files"),
    ],
)
def test_options_that_take_times_use_the_clock_that_dates_events(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, field: str
) -> None:
    cli.has_file("acme", "data.bin", 1_000)
    (tmp_path / "deleted").write_text("content")
    cli.ok("file", "upload", "acme", tmp_path / "deleted")
    cli.ok("file", "delete", "acme", "deleted", "--yes")
    after_nine_days = datetime.now(UTC) + timedelta(days=9)
    monkeypatch.setattr(clock, "now", lambda _conn: after_nine_days)
    found = cli.ok(*command.split())
    row = found[-1] if isinstance(found, list) else found
    assert row[field]
