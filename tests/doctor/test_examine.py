"""Each examination accepts a sound installation; none changes anything."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.cli.support import NOBODY_LISTENS, Cli
from tests.doctor.support import Examined, configure, names


def test_a_sound_installation_is_ok(
    cli: Cli, database_url: URL, blob_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "data.bin").write_bytes(b"content")
    cli.ok("org", "create", "acme")
    cli.ok("file", "upload", "acme", tmp_path / "data.bin")
    before = sorted(blob_folder.rglob("*"))
    is_sqlite = database_url.get_backend_name() == "sqlite"
    if is_sqlite:
        (tmp_path / "catactl.db").chmod(0o600)
    examined = Examined(cli)
    if is_sqlite:
        assert (examined.code, examined.with_status("ok")) == (0, {*names(examined)})
    else:
        # The test server runs with fsync off, and its user owns all tables.
        assert names(examined) - examined.with_status("ok") <= {"durability", "access"}
        assert examined["access"]["status"] == "warning"
        assert "db grants" in examined["access"]["hint"]
    assert "the hash chains of 1 organization are intact" in examined["log"]["message"]
    assert sorted(blob_folder.rglob("*")) == before


def test_nothing_is_created_where_nothing_exists(stranger: Cli, home: Path) -> None:
    examined = Examined(stranger)
    assert "created at first use" in examined["database"]["message"]
    assert (examined.code, examined["content"]["status"]) == (0, "ok")
    assert {"schema", "log", "usage"} <= examined.with_status("skipped")
    assert list(home.iterdir()) == []


def test_a_missing_folder_is_a_problem(stranger: Cli, tmp_path: Path) -> None:
    examined = Examined(stranger, "--database-url", f"sqlite:///{tmp_path}/no/such/x.db")
    assert "no/such does not exist" in examined["database"]["message"]


def test_an_unreachable_server_is_one_problem_and_the_other_examinations_run(
    stranger: Cli, blob_folder: Path
) -> None:
    where = ["--database-url", NOBODY_LISTENS, "--blob-url", blob_folder.as_uri()]
    examined = Examined(stranger, *where)
    assert examined.with_status("problem") == {"database"}
    assert examined.with_status("ok") == {"settings", "secrets", "content", "disk"}
    assert "s3cr3t" not in examined.text
    assert not blob_folder.exists()


def test_a_problem_is_also_an_error_with_a_hint(stranger: Cli) -> None:
    result = stranger("doctor", "--database-url", NOBODY_LISTENS, "--quiet")
    assert (result.code, result.stdout) == (6, "")
    assert "1 problem; database: cannot reach the database" in result.stderr
    assert "hint: check the server" in result.stderr
    assert "s3cr3t" not in result.stderr


@pytest.mark.parametrize(
    ("toml", "arguments", "message"),
    [
        ("actr = 'x'", [], "unknown key 'actr'"),
        ("", ["--profile", "nobody"], "no profile 'nobody'"),
        ("lock_timeout = 'long'", [], "not a number of seconds"),
        ("", ["--database-url", "mysql://me:s3cr3t@host/x"], "not supported"),
    ],
)
def test_settings_that_cannot_be_used_are_a_problem(
    toml: str, arguments: list[str], message: str, stranger: Cli, home: Path
) -> None:
    configure(home, toml)
    examined = Examined(stranger, *arguments)
    assert examined.with_status("problem") == {"settings"}
    assert message in examined["settings"]["message"]
    assert "s3cr3t" not in examined.text


def test_an_output_format_that_cannot_be_used_is_reported_in_another(
    stranger: Cli, home: Path
) -> None:
    configure(home, "output = 'xml'")
    result = stranger("doctor")
    assert result.code == 6
    assert result.lines[0].startswith("problem\tsettings\tunknown output format 'xml'")


def test_settings_show_where_the_database_is_named(stranger: Cli, home: Path) -> None:
    path = configure(home, f"[profiles.far]\ndatabase_url = '{NOBODY_LISTENS}'\n")
    message = Examined(stranger, "--profile", "far")["settings"]["message"]
    assert f"{path} is read, profile far; database postgresql://admin:***@" in message


def test_a_mistake_on_the_command_line_is_an_error_not_a_finding(stranger: Cli) -> None:
    stranger.fails(2, "doctor", "--lock-timeout", "-1")
