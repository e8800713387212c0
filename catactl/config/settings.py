"""Load settings. A flag overrides the environment, which overrides the profile, which overrides the
top of the configuration file, which overrides the defaults.

Only `cli`, `doctor` and Alembic's environment use settings.
"""

import getpass
import os
import socket
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from catactl.config import file as config_file
from catactl.config.paths import config_path, default_database_path, sqlite_url
from catactl.errors import BadConfiguration, CatactlError, InvalidValue
from catactl.values.durations import DEFAULT_LOCK_TIMEOUT_SECONDS, parse_lock_timeout

OutputFormat = Literal["table", "json", "jsonl", "csv", "tsv", "id"]
LogFormat = Literal["text", "json"]
OUTPUT_FORMATS: tuple[str, ...] = get_args(OutputFormat)
LOG_FORMATS: tuple[str, ...] = get_args(LogFormat)


class Setting(NamedTuple):
    """A value and where it comes from: a flag, a variable, a place in the file, or `default`."""

    value: str
    origin: str


@dataclass(frozen=True)
class Settings:
    """All settings of a command.

    `config_path` is None if there is no home folder. `overridden` is a warning: the environment
    overrides the database of the profile that a flag names.
    """

    environ: Mapping[str, str]
    configured_database_url: Setting | None
    database_url_file: Path | None
    blob_url: Setting | None
    actor: Setting
    output: Setting | None
    lock_timeout: Setting
    log_format: Setting
    profile: Setting | None
    config_path: Path | None
    overridden: str | None

    @property
    def database_url(self) -> Setting:
        """Return the configured database, or the default one.

        Raises `BadConfiguration` if there is no home folder for the default database.
        """
        if self.configured_database_url is not None:
            return self.configured_database_url
        return Setting(sqlite_url(default_database_path(self.environ)), "default")


_Layers = ChainMap[str, Setting]


def load_settings(
    flags: Mapping[str, str | None] | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return all settings. Raises `InvalidValue` for a flag, and `BadConfiguration`, with the
    origin, for any other value that cannot be used.
    """
    path = config_path(environ)
    document = config_file.read(path) if path is not None else {}
    layers = _layers(flags or {}, environ, path, document)
    if "profile" in layers:
        _check_profile(layers["profile"].value, path, document)
    database_url, database_url_file = _database_url(layers)
    if database_url is not None and not database_url.value.isprintable():
        raise _unprintable(database_url)
    for key, check in CHECKS.items():
        if key in layers:
            _check(layers[key], check)
    return Settings(
        environ=environ,
        configured_database_url=database_url,
        database_url_file=database_url_file,
        blob_url=layers.get("blob_url"),
        actor=layers.get("actor") or Setting(_user_at_host(), "default"),
        output=layers.get("output"),
        lock_timeout=layers.get("lock_timeout")
        or Setting(f"{DEFAULT_LOCK_TIMEOUT_SECONDS:g}", "default"),
        log_format=layers.get("log_format") or Setting("text", "default"),
        profile=layers.get("profile"),
        config_path=path,
        overridden=_overridden(layers) if "profile" in layers else None,
    )


def guess(
    key: str, flags: Mapping[str, str | None], environ: Mapping[str, str] = os.environ
) -> str | None:
    """Return the value of a setting without checks, or None if it cannot be read.

    An error message needs the output format even if settings cannot be loaded.
    """
    path = config_path(environ)
    document: dict[str, Any] = {}
    if path is not None:
        with suppress(CatactlError):
            document = config_file.parse(path)
    setting = _layers(flags, environ, path, document).get(key)
    return setting.value if setting is not None else None


def profile_names() -> list[str]:
    """Return the profiles of the configuration file."""
    path = config_path(os.environ)
    return list(config_file.profiles_in(config_file.parse(path))) if path is not None else []


def _check_choice(kind: str, choices: Sequence[str], value: str) -> None:
    if value not in choices:
        raise InvalidValue(f"unknown {kind} {value!r}", f"one of: {', '.join(choices)}")


CHECKS: Mapping[str, Callable[[str], object]] = {
    "output": partial(_check_choice, "output format", OUTPUT_FORMATS),
    "lock_timeout": parse_lock_timeout,
    "log_format": partial(_check_choice, "log format", LOG_FORMATS),
}


def _layers(
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    path: Path | None,
    document: dict[str, Any],
) -> _Layers:
    """Return flags, environment, profile and top of the file, each with its settings."""
    given = {
        key: Setting(value, f"--{key.replace('_', '-')}")
        for key, value in flags.items()
        if value is not None
    }
    variables = {
        key: Setting(environ[name], name)
        for key in (*config_file.KEYS, "profile")
        if environ.get(name := f"CATACTL_{key.upper()}")
    }
    layers = ChainMap(given, variables)
    profile = layers.get("profile")
    tables = dict(config_file.tables(path, document)) if path is not None and document else {}
    for where in (f"{path} [profiles.{profile.value}]" if profile else "", str(path)):
        table = tables.get(where, {})
        layers.maps.append({key: Setting(str(value), where) for key, value in table.items()})
    return layers


def _check_profile(name: str, path: Path | None, document: dict[str, Any]) -> None:
    """Raise `BadConfiguration` if the file does not have the profile."""
    if path is None:
        raise BadConfiguration(
            f"no profile {name!r}: there is no home folder for a configuration file",
            "set HOME or XDG_CONFIG_HOME",
        )
    profiles = config_file.profiles_in(document)
    if name not in profiles:
        close = get_close_matches(name, profiles, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"add [profiles.{name}] to it"
        raise BadConfiguration(f"no profile {name!r} in {path}", hint)


def _check(setting: Setting, check: Callable[[str], object]) -> None:
    try:
        check(setting.value)
    except InvalidValue as error:
        error_type = InvalidValue if setting.origin.startswith("--") else BadConfiguration
        raise error_type(f"{error.message} (from {setting.origin})", error.hint) from None


def _database_url(layers: _Layers) -> tuple[Setting | None, Path | None]:
    """Return the URL of the first layer that has one, and the file that it comes from, if any."""
    for layer in layers.maps:
        if (url := layer.get("database_url")) is not None:
            return url, None
        if (url_file := layer.get("database_url_file")) is not None:
            origin = f"{url_file.value} ({url_file.origin})"
            url = Setting(config_file.read_url_file(url_file.value, origin), origin)
            return url, Path(url_file.value)
    return None, None


def _unprintable(database_url: Setting) -> BadConfiguration:
    character = next(each for each in database_url.value if not each.isprintable())
    return BadConfiguration(
        f"the database URL ({database_url.origin}) contains {character!a}, which cannot be printed",
        "write its bytes percent-encoded, for example %0A",
    )


def _database(layer: Mapping[str, Setting]) -> Setting | None:
    """Return the setting of a layer that names the database."""
    return layer.get("database_url") or layer.get("database_url_file")


def _overridden(layers: _Layers) -> str | None:
    flags, variables, profile, _ = layers.maps
    variable = _database(variables)
    if "profile" not in flags or _database(flags) or not variable or not _database(profile):
        return None
    return f"{variable.origin} overrides the database of profile {flags['profile'].value!r}"


def _user_at_host() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"
