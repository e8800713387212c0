"""`config show`, `config validate` and `config path`, and the format of errors."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import Cli


def _write(home: Path, toml: str) -> Path:
    path = home / "config" / "catactl" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(toml)
    path.chmod(0o600)
    return path


def _shown(cli: Cli, *arguments: str) -> dict[str, tuple[Any, Any]]:
    rows = cli.ok("config", "show", *arguments)
    return {row["name"]: (row["value"], row["origin"]) for row in rows}


def test_defaults_are_shown_and_nothing_is_created(stranger: Cli, home: Path) -> None:
    shown = _shown(stranger)
    folder = home / "data" / "catactl"
    assert shown["database_url"] == (f"sqlite:///{folder}/catactl.db", "default")
    assert shown["blob_url"] == (f"file://{folder}/blobs", "beside the database")
    assert shown["lock_timeout"] == ("30", "default")
    assert shown["log_format"] == ("text", "default")
    assert shown["output"] == ("json", "--output")
    assert ["output", "tsv", "default"] in [
        line.split("\t") for line in stranger("config", "show").lines
    ]
    assert not folder.exists()


@pytest.mark.parametrize("url", ["postgresql://db/x", "sqlite://", "sqlite:///:memory:", "x://y"])
def test_without_a_place_for_content_none_is_shown(url: str, stranger: Cli) -> None:
    assert _shown(stranger, "--database-url", url)["blob_url"] == (None, "default")


def test_a_correct_file_and_a_missing_file_are_ok(stranger: Cli, home: Path) -> None:
    path = home / "config" / "catactl" / "config.toml"
    assert stranger.ok("config", "validate") == {"path": str(path), "ok": True, "problems": []}
    assert stranger("config", "validate").stdout == f"ok\tthere is no {path}\n"
    (home / "url").write_text("postgresql://me:s3cr3t@host/db")
    (home / "url").chmod(0o600)
    _write(
        home,
        'actor = "cron"\nlock_timeout = 2.5\noutput = "tsv"\nlog_format = "text"\n'
        '[profiles.a]\ndatabase_url = "postgresql://me:s3cr3t@host/db"\n'
        f'[profiles.b]\ndatabase_url_file = "{home}/url"\nblob_url = "file:///srv/blobs"\n',
    )
    result = stranger("config", "validate")
    assert (result.code, result.stdout, result.stderr) == (0, f"ok\t{path}\n", "")


def test_every_problem_of_a_file_is_listed(stranger: Cli, home: Path) -> None:
    (home / "exposed").write_text("postgresql://me:s3cr3t@host/db")
    path = _write(
        home,
        'actr = "x"\nlock_timeout = "soon"\noutput = "xml"\nlog_format = 5\n'
        'database_url = "mysql://me:s3cr3t@host/db"\n'
        '[profiles.a]\nblob_url = "ftp://host"\nlock_timeout = true\ndatabase_url = ["x"]\n'
        f'[profiles.b]\ndatabase_url = "sqlite:///x"\ndatabase_url_file = "{home}/exposed"\n'
        f'[profiles.c]\ndatabase_url_file = "{home}/missing"\n',
    )
    path.chmod(0o644)
    (home / "exposed").chmod(0o644)
    result = stranger("config", "validate", "--json")
    assert (result.code, result.error["code"]) == (78, "bad_configuration")
    report = result.json
    assert (report["ok"], report["path"]) == (False, str(path))
    problems = [
        (each["where"].removeprefix(str(path)).strip(), each["key"]) for each in report["problems"]
    ]
    assert problems == [
        ("", "actr"),
        ("", "log_format"),
        ("", "lock_timeout"),
        ("", "output"),
        ("", "database_url"),
        ("", "database_url"),
        ("[profiles.a]", "lock_timeout"),
        ("[profiles.a]", "database_url"),
        ("[profiles.a]", "blob_url"),
        ("[profiles.b]", "database_url_file"),
        ("[profiles.b]", "database_url_file"),
        ("[profiles.c]", "database_url_file"),
    ]
    assert report["problems"][0]["hint"] == "did you mean 'actor'?"
    hints = [each["hint"] for each in report["problems"]]
    assert {f"chmod 600 {path}", f"chmod 600 {home}/exposed"} <= set(hints)
    assert "s3cr3t" not in result.stdout + result.stderr
    plain = stranger("config", "validate")
    assert (plain.code, len(plain.lines)) == (78, 12)


@pytest.mark.parametrize("toml", ["actor = ", "profiles = 5", "[profiles]\np = 5", "a.b = 1"])
def test_a_file_with_one_mistake_has_one_problem(toml: str, stranger: Cli, home: Path) -> None:
    path = _write(home, toml)
    result = stranger("config", "validate", "--json")
    assert (result.code, len(result.json["problems"])) == (78, 1)
    assert stranger("config", "path").stdout == f"{path}\n"


# --- a profile that is overridden -----------------------------------------------------------------


def test_a_warning_names_the_variable_that_overrides_the_database_of_a_profile(
    sqlite_cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(home, f'[profiles.prod]\ndatabase_url = "sqlite:///{home}/x.db"\n[profiles.bare]\n')
    warning = "catactl: CATACTL_DATABASE_URL overrides the database of profile 'prod'\n"
    profile = ("--profile", "prod")
    assert sqlite_cli("org", "list", *profile).stderr == warning
    assert sqlite_cli("db", "upgrade", *profile).stderr == warning
    for quiet in (
        ("org", "list", *profile, "--quiet"),
        ("org", "list", *profile, "--json"),
        ("org", "list", "--profile", "bare"),
        ("org", "list", *profile, "--database-url", f"sqlite:///{home}/y.db"),
        ("config", "path", *profile),
    ):
        assert sqlite_cli(*quiet).stderr == ""
    monkeypatch.setenv("CATACTL_PROFILE", "prod")
    assert sqlite_cli("org", "list").stderr == ""  # both come from the environment
    monkeypatch.delenv("CATACTL_DATABASE_URL")
    assert sqlite_cli("org", "list", *profile).stderr == ""


# --- errors in the format of the output -----------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "is_json"),
    [
        (["--output=json"], True),
        (["-o=json"], True),
        (["-ojsonl"], True),
        (["-qo", "json"], True),
        (["-o", "json", "-o", "table"], False),
        (["-o", "table", "--json"], True),
        (["-o", "jsno"], False),
        (["--log-format", "json"], True),
    ],
)
def test_errors_have_the_output_format_of_the_command_line(
    arguments: list[str], is_json: bool, sqlite_cli: Cli
) -> None:
    for command in (["org", "show", "nobody"], ["org", "show"], ["org", "shwo"]):
        assert sqlite_cli(*command, *arguments).stderr.startswith("{") == is_json


def test_errors_have_the_output_format_of_every_layer_of_settings(
    sqlite_cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = ("org", "show", "nobody")
    monkeypatch.setenv("CATACTL_OUTPUT", "json")
    assert sqlite_cli(*missing).error["code"] == "not_found"
    assert sqlite_cli(*missing, "-o", "tsv").stderr.startswith("catactl: error: ")
    monkeypatch.delenv("CATACTL_OUTPUT")
    _write(home, 'output = "json"\n[profiles.people]\noutput = "table"\n')
    assert sqlite_cli(*missing).error["code"] == "not_found"
    assert sqlite_cli("org", "shwo").error["code"] == "invalid_value"
    assert sqlite_cli(*missing, "--profile", "people").stderr.startswith("catactl: error: ")
    assert sqlite_cli(*missing, "--profile=poeple").error["hint"] == "did you mean 'people'?"
    _write(home, 'output = "json"\nactr = "x"\n')
    assert sqlite_cli(*missing).error["code"] == "bad_configuration"
    _write(home, 'output = "json"\nprofiles = 5\n')
    assert sqlite_cli(*missing, "--profile", "x").error["code"] == "bad_configuration"
    _write(home, 'output = "json')
    broken = sqlite_cli(*missing)
    assert (broken.code, broken.stderr.startswith("catactl: error: ")) == (78, True)


def test_without_a_home_folder_nothing_is_created(
    stranger: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "relative")
    for command in (("org", "create", "acme"), ("org", "list"), ("config", "show")):
        assert "set HOME" in stranger.fails(78, *command)["hint"]
    for command in (("config", "path"), ("config", "validate")):
        assert stranger.fails(78, *command)["hint"] == "set HOME or XDG_CONFIG_HOME"
    assert stranger("doctor").code == 6
    stranger.ok("version")
    assert list(folder.iterdir()) == []
    monkeypatch.setenv("CATACTL_DATABASE_URL", f"sqlite:///{folder}/x.db")
    stranger.ok("org", "create", "acme")
    assert "no home folder" in stranger("doctor").stdout
