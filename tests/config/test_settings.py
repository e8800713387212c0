"""The order of settings, and errors in the configuration file."""

from pathlib import Path

import pytest

from catactl.config.settings import Setting, Settings, load_settings
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


def test_a_flag_overrides_the_environment_the_profile_and_the_file(tmp_path: Path) -> None:
    settings = _load(tmp_path, _FILE)
    assert settings.database_url.value == "sqlite:///file.db"
    profile = {"CATACTL_PROFILE": "production"}
    settings = _load(tmp_path, _FILE, None, **profile)
    assert settings.database_url.value == "sqlite:///profile.db"
    assert "[profiles.production]" in settings.database_url.origin
    assert settings.actor.value == "file"  # because the profile does not set it
    variable = profile | {"CATACTL_DATABASE_URL": "sqlite:///variable.db"}
    settings = _load(tmp_path, _FILE, None, **variable)
    assert settings.database_url == ("sqlite:///variable.db", "CATACTL_DATABASE_URL")
    settings = _load(tmp_path, _FILE, {"database_url": "sqlite:///flag.db"}, **variable)
    assert settings.database_url == ("sqlite:///flag.db", "--database-url")


def test_a_profile_in_a_flag_overrides_the_profile_in_the_environment(tmp_path: Path) -> None:
    toml = '[profiles.a]\nactor = "a"\n[profiles.b]\nactor = "b"\n'
    assert _load(tmp_path, toml, {"profile": "b"}, CATACTL_PROFILE="a").actor.value == "b"


def test_without_settings_the_defaults_apply(tmp_path: Path) -> None:
    settings = _load(tmp_path, XDG_DATA_HOME="relative/is/ignored")
    path = tmp_path / ".local/share/catactl/catactl.db"
    assert settings.database_url == (f"sqlite:///{path}", "default")
    assert "@" in settings.actor.value
    assert (settings.output, settings.profile) == (None, None)
    assert settings.lock_timeout == Setting("30", "default")


def test_an_empty_variable_is_ignored(tmp_path: Path) -> None:
    assert _load(tmp_path, _FILE, CATACTL_ACTOR="").actor.value == "file"


def test_every_layer_may_name_a_file_with_the_database_url(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://me:s3cr3t@host/db\n")
    toml = f'database_url_file = "{secret}"\n'
    for settings in (
        _load(tmp_path, None, {"database_url_file": str(secret)}),
        _load(tmp_path, CATACTL_DATABASE_URL_FILE=str(secret)),
        _load(tmp_path, toml),
        _load(tmp_path, _FILE, {"database_url_file": str(secret)}, CATACTL_DATABASE_URL="x"),
    ):
        assert settings.database_url.value == "postgresql://me:s3cr3t@host/db"
        assert str(secret) in settings.database_url.origin
        assert "s3cr3t" not in settings.database_url.origin


def test_the_error_for_an_unusable_url_file_contains_its_path(tmp_path: Path) -> None:
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
def test_the_error_for_an_unusable_file_contains_its_path_and_the_reason(
    toml: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadConfiguration) as caught:
        _load(tmp_path, toml)
    assert message in caught.value.message
    assert "config.toml" in caught.value.message


def test_the_hint_for_an_unknown_key_or_profile_is_a_similar_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration) as caught:
        _load(tmp_path, "database_ulr = 'x'")
    assert caught.value.hint == "did you mean 'database_url'?"
    with pytest.raises(BadConfiguration) as caught:
        _load(tmp_path, _FILE, {"profile": "productoin"})
    assert caught.value.hint == "did you mean 'production'?"


def test_a_profile_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="no profile 'x'"):
        _load(tmp_path, None, {"profile": "x"})
