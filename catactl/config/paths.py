"""Paths of the configuration file and the default database (XDG Base Directory Specification)."""

import os
import pwd
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from catactl.errors import BadConfiguration

_ENDS_A_PATH = frozenset("%?# ")  # in a URL; a space ends it in a shell


def config_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the path of the configuration file, which may not exist; None if there is no home
    folder.
    """
    folder = _xdg_folder(environ, "XDG_CONFIG_HOME", ".config")
    return folder / "catactl" / "config.toml" if folder is not None else None


def default_database_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the SQLite database that is used if none is configured.

    Raises `BadConfiguration` if there is no home folder.
    """
    folder = _xdg_folder(environ, "XDG_DATA_HOME", ".local/share")
    if folder is None:
        raise no_home(environ, "set HOME, XDG_DATA_HOME or CATACTL_DATABASE_URL")
    return folder / "catactl" / "catactl.db"


def no_home(environ: Mapping[str, str], hint: str) -> BadConfiguration:
    """Return the error for a missing home folder."""
    home = environ.get("HOME")
    if home is None:
        reason = "HOME is not set, and passwd has no home folder for this user"
    else:
        reason = f"HOME is not an absolute path: {home!r}"
    return BadConfiguration(f"no home folder: {reason}", hint)


def sqlite_url(path: Path) -> str:
    """Return a URL that `store.sql.urls.parse_url` parses to exactly this SQLite file."""
    return "sqlite:///" + "".join(
        each if each.isprintable() and each not in _ENDS_A_PATH else quote(os.fsencode(each))
        for each in os.fspath(path)
    )


def _xdg_folder(environ: Mapping[str, str], variable: str, default: str) -> Path | None:
    """Return the folder that a variable names, else the default in HOME, or in the home folder in
    passwd if HOME is not set; None if that path is not absolute.
    """
    configured = environ.get(variable, "")
    if os.path.isabs(configured):  # the specification requires to ignore relative paths
        return Path(configured)
    home = environ.get("HOME")
    if home is None:
        with suppress(KeyError):  # a container may run under a user id that passwd does not list
            home = pwd.getpwuid(os.getuid()).pw_dir
    return Path(home, default) if home is not None and os.path.isabs(home) else None
