"""The home folder, and the paths below it."""

import pwd

import pytest

from catactl.config.paths import config_path
from catactl.config.settings import load_settings
from catactl.errors import BadConfiguration


def _set_home_in_passwd(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    def entry(uid: int) -> pwd.struct_passwd:
        if home is None:
            raise KeyError
        return pwd.struct_passwd(("me", "x", uid, uid, "", home, "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", entry)


_NO_HOME = [
    (None, None, "HOME is not set"),
    (None, "relative", "HOME is not set"),
    ("", None, "not an absolute path: ''"),
    ("", "/home/me", "not an absolute path: ''"),
    ("relative", "/home/me", "not an absolute path: 'relative'"),
    ("~", "/home/me", "not an absolute path: '~'"),
]


@pytest.mark.parametrize(("home", "in_passwd", "message"), _NO_HOME)
def test_without_a_home_folder_only_settings_that_need_one_fail(
    home: str | None, in_passwd: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_home_in_passwd(monkeypatch, in_passwd)
    environ = {"HOME": home} if home is not None else {}
    assert config_path(environ) is None
    with pytest.raises(BadConfiguration, match=message) as caught:
        _ = load_settings({}, environ).database_url
    assert caught.value.hint == "set HOME, XDG_DATA_HOME or CATACTL_DATABASE_URL"
    configured = environ | {"CATACTL_DATABASE_URL": "sqlite:////srv/x.db"}
    assert load_settings({}, configured).database_url.value == "sqlite:////srv/x.db"
    elsewhere = environ | {"XDG_DATA_HOME": "/srv/data"}
    url = load_settings({}, elsewhere).database_url.value
    assert url == "sqlite:////srv/data/catactl/catactl.db"
    with pytest.raises(BadConfiguration, match="no profile 'production'"):
        load_settings({"profile": "production"}, environ)


def test_without_home_in_the_environment_the_home_folder_comes_from_passwd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _set_home_in_passwd(monkeypatch, "/home/me")
    assert str(config_path({})) == "/home/me/.config/catactl/config.toml"
