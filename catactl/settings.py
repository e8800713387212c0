"""Settings: a flag, else the environment, else the profile, else the configuration file, else a
default.

The file is `config.toml` in `$XDG_CONFIG_HOME/catactl`: settings at its top, and others for each
`[profiles.NAME]`. Only `cli`, `doctor` and Alembic's environment know settings.
"""

import getpass
import os
import re
import socket
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from catactl.errors import BadConfiguration, InvalidValue

OutputFormat = Literal["table", "json", "jsonl", "csv", "tsv", "id"]
OUTPUT_FORMATS: tuple[str, ...] = get_args(OutputFormat)
_FILE_KEYS = ("database_url", "database_url_file", "blob_url", "actor", "output", "lock_timeout")
_PASSWORD_IN_URL = re.compile(
    r"(?P<before>://[^/@:\s]*:)\S*(?=@)|(?P<query>[?&]\w*password=)[^&\s]*"
)


class Setting(NamedTuple):
    """A value and where it came from."""

    value: str
    origin: str


class Settings(NamedTuple):
    database_url: Setting
    database_url_file: Path | None
    blob_url: Setting | None
    actor: Setting
    output: Setting | None
    lock_timeout: Setting | None
    profile: Setting | None
    config_path: Path


def load_settings(
    flags: Mapping[str, str | None] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Return all settings; raise `BadConfiguration` that names the file and key it cannot use."""
    environ = os.environ if environ is None else environ
    flags = flags or {}
    path = config_path(environ)
    document = _read(path)
    profile = _first(_flag(flags, "profile"), _variable(environ, "profile"))
    layers: list[Callable[[str], Setting | None]] = [
        lambda key: _flag(flags, key),
        lambda key: _variable(environ, key),
        lambda key: _in_profile(path, document, profile, key),
        lambda key: _in_file(document, key, str(path)),
    ]

    def find(key: str) -> Setting | None:
        return _first(*(layer(key) for layer in layers))

    def find_database_url() -> tuple[Setting, Path | None]:
        for layer in layers:
            if (url := layer("database_url")) is not None:
                return url, None
            if (file := layer("database_url_file")) is not None:
                url = Setting(_read_secret(file), f"{file.value} ({file.origin})")
                return url, Path(file.value)
        return Setting(f"sqlite:///{default_database_path(environ)}", "default"), None

    database_url, database_url_file = find_database_url()
    return Settings(
        database_url=database_url,
        database_url_file=database_url_file,
        blob_url=find("blob_url"),
        actor=find("actor") or Setting(_user_at_host(), "default"),
        output=_checked_output(find("output")),
        lock_timeout=find("lock_timeout"),
        profile=profile,
        config_path=path,
    )


def profile_names() -> list[str]:
    """The profiles of the configuration file."""
    return list(_read(config_path(os.environ)).get("profiles", {}))


def config_path(environ: Mapping[str, str]) -> Path:
    """Where the configuration file is, or would be."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "catactl" / "config.toml"


def default_database_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where the SQLite database is that is used when none is configured."""
    environ = os.environ if environ is None else environ
    return _xdg(environ, "XDG_DATA_HOME", ".local/share") / "catactl" / "catactl.db"


def mask(text: str) -> str:
    """Return the text with the passwords of any URLs in it replaced by `***`."""
    return _PASSWORD_IN_URL.sub(lambda match: f"{match['before'] or match['query']}***", text)


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> Path:
    configured = environ.get(variable, "")
    # The XDG base directory specification: relative paths are invalid and ignored.
    if os.path.isabs(configured):
        return Path(configured)
    return Path(environ.get("HOME") or os.path.expanduser("~")) / default


def _first(*settings: Setting | None) -> Setting | None:
    return next((setting for setting in settings if setting is not None), None)


def _flag(flags: Mapping[str, str | None], key: str) -> Setting | None:
    value = flags.get(key)
    return Setting(value, f"--{key.replace('_', '-')}") if value is not None else None


def _variable(environ: Mapping[str, str], key: str) -> Setting | None:
    name = f"CATACTL_{key.upper()}"
    return Setting(environ[name], name) if environ.get(name) else None


def _in_profile(
    path: Path, document: dict[str, Any], profile: Setting | None, key: str
) -> Setting | None:
    if profile is None:
        return None
    profiles = document.get("profiles", {})
    if profile.value not in profiles:
        close = get_close_matches(profile.value, profiles, n=1)
        raise BadConfiguration(
            f"no profile {profile.value!r} in {path}",
            f"did you mean {close[0]!r}?" if close else f"add [profiles.{profile.value}] to it",
        )
    return _in_file(profiles[profile.value], key, f"{path} [profiles.{profile.value}]")


def _in_file(table: Mapping[str, Any], key: str, origin: str) -> Setting | None:
    return Setting(str(table[key]), origin) if key in table else None


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadConfiguration(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{path} is not TOML: {error}") from error
    for where, table in _tables(path, document):
        for key, value in table.items():
            _check_key(where, key, value)
    return document


def _tables(path: Path, document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield str(path), {key: value for key, value in document.items() if key != "profiles"}
    profiles = document.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise BadConfiguration(f"profiles in {path} are not tables", "as in [profiles.production]")
    for name, table in profiles.items():
        yield f"{path} [profiles.{name}]", table


def _check_key(where: str, key: str, value: object) -> None:
    if key not in _FILE_KEYS:
        close = get_close_matches(key, _FILE_KEYS, n=1)
        known = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_FILE_KEYS)}"
        raise BadConfiguration(f"unknown key {key!r} in {where}", known)
    if isinstance(value, (dict, list, bool)):
        raise BadConfiguration(f"{key!r} in {where} is no plain value")


def _checked_output(output: Setting | None) -> Setting | None:
    if output is not None and output.value not in OUTPUT_FORMATS:
        error = InvalidValue if output.origin.startswith("--") else BadConfiguration
        raise error(
            f"no output format {output.value!r} (from {output.origin})",
            f"one of: {', '.join(OUTPUT_FORMATS)}",
        )
    return output


def _read_secret(url_file: Setting) -> str:
    try:
        text = Path(url_file.value).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise BadConfiguration(
            f"cannot read the database URL from {url_file.value} ({url_file.origin}): {reason}"
        ) from error
    if not text:
        raise BadConfiguration(f"{url_file.value} ({url_file.origin}) is empty")
    return text


def _user_at_host() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"
