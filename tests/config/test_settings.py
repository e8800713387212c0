"""Settings: which goes before which, and what cannot be used."""

from pathlib import Path

import pytest

from catactl.config.settings import Settings, load_settings
from catactl.errors import BadConfiguration


def _load(
    tmp_path: Path,
    toml: str | None = None,
    flags: dict[str, str | None] | None = None,
    /,
    **variables: str,
) -> Settings:
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "c")} | variables
    if toml is not None:
        path = tmp_path / "c" / "catactl" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(toml)
    return load_settings(flags, environ)


_FILE = """
database_url = "sqlite:///file.db"
actor = "file"
lock_timeout = 5
[profiles.production]
database_url = "sqlite:///profile.db"
"""


def test_flag_goes_before_environment_before_profile_before_file(tmp_path: Path) -> None:
    found = _load(tmp_path, _FILE)
    assert found.database_url.value == "sqlite:///file.db"
    profile = {"CATACTL_PROFILE": "production"}
    found = _load(tmp_path, _FILE, None, **profile)
    assert found.database_url.value == "sqlite:///profile.db"
    assert "[profiles.production]" in found.database_url.origin
    assert found.actor.value == "file"  # what a profile does not say
    variable = profile | {"CATACTL_DATABASE_URL": "sqlite:///variable.db"}
    found = _load(tmp_path, _FILE, None, **variable)
    assert found.database_url == ("sqlite:///variable.db", "CATACTL_DATABASE_URL")
    found = _load(tmp_path, _FILE, {"database_url": "sqlite:///flag.db"}, **variable)
    assert found.database_url == ("sqlite:///flag.db", "--database-url")


def test_a_profile_named_by_flag_goes_before_the_environments(tmp_path: Path) -> None:
    toml = '[profiles.a]\nactor = "a"\n[profiles.b]\nactor = "b"\n'
    assert _load(tmp_path, toml, {"profile": "b"}, CATACTL_PROFILE="a").actor.value == "b"


def test_without_any_setting_there_are_defaults(tmp_path: Path) -> None:
    found = _load(tmp_path, XDG_DATA_HOME="relative/is/ignored")
    path = tmp_path / ".local/share/catactl/catactl.db"
    assert found.database_url == (f"sqlite:///{path}", "default")
    assert "@" in found.actor.value
    assert (found.output, found.lock_timeout, found.profile) == (None, None, None)


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    assert _load(tmp_path, _FILE, CATACTL_ACTOR="").actor.value == "file"


def test_the_url_may_come_from_a_file_wherever_it_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://me:s3cr3t@host/db\n")
    toml = f'database_url_file = "{secret}"\n'
    for found in (
        _load(tmp_path, None, {"database_url_file": str(secret)}),
        _load(tmp_path, CATACTL_DATABASE_URL_FILE=str(secret)),
        _load(tmp_path, toml),
        _load(tmp_path, _FILE, {"database_url_file": str(secret)}, CATACTL_DATABASE_URL="x"),
    ):
        assert found.database_url.value == "postgresql://me:s3cr3t@host/db"
        assert str(secret) in found.database_url.origin
        assert "s3cr3t" not in found.database_url.origin


def test_a_url_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    for path in (empty, binary, tmp_path / "missing", tmp_path):
        with pytest.raises(BadConfiguration) as caught:
            _load(tmp_path, CATACTL_DATABASE_URL_FILE=str(path))
        assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("database_ulr = 'x'", "unknown key 'database_ulr'"),
        ("[profiles.p]\nactr = 'x'", "unknown key 'actr'"),
        ("[section]\nx = 1", "unknown key 'section'"),
        ("actor = ", "not valid TOML"),
        ("actor = 'a'\nactor = 'b'", "not valid TOML"),
        ("actor = ['a']", "'actor' is an array, not a string"),
        ("actor = true", "'actor' is a boolean, not a string"),
        ("lock_timeout = false", "'lock_timeout' is a boolean, not a number"),
        ("profiles = 5", "'profiles' is not a table of profiles"),
        ("[profiles]\np = 5", "profile 'p' is not a table"),
        ("output = 'xml'", "unknown output format 'xml'"),
        ("log_format = 'xml'", "unknown log format 'xml'"),
        ("lock_timeout = 'soon'", "'soon' is not a number of seconds"),
        ("lock_timeout = nan", "'nan' is not a number of seconds"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(
    toml: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadConfiguration) as caught:
        _load(tmp_path, toml)
    assert message in caught.value.message
    assert "config.toml" in caught.value.message


def test_a_mistyped_key_or_profile_is_answered_with_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration) as caught:
        _load(tmp_path, "database_ulr = 'x'")
    assert caught.value.hint == "did you mean 'database_url'?"
    with pytest.raises(BadConfiguration) as caught:
        _load(tmp_path, _FILE, {"profile": "productoin"})
    assert caught.value.hint == "did you mean 'production'?"


def test_a_profile_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="no profile 'x'"):
        _load(tmp_path, None, {"profile": "x"})
