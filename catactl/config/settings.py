"""Settings: a flag, else the environment, else the profile, else the configuration file, else a
default.

The file is `config.toml` in `$XDG_CONFIG_HOME/catactl`: settings at its top, and others for each
`[profiles.NAME]`. Only `cli`, `doctor` and Alembic's environment know settings.
"""

import getpass
import os
import pwd
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import quote

from catactl.config import file as config_file
from catactl.errors import BadConfiguration, CatactlError, InvalidValue
from catactl.values.durations import parse_lock_timeout
from catactl.values.text_input import decode

OutputFormat = Literal["table", "json", "jsonl", "csv", "tsv", "id"]
LogFormat = Literal["text", "json"]
OUTPUT_FORMATS: tuple[str, ...] = get_args(OutputFormat)
LOG_FORMATS: tuple[str, ...] = get_args(LogFormat)
_MAX_URL_LENGTH = 65_536
_ENDS_A_PATH = frozenset("%?# ")  # in a URL; a space ends it in a shell
# A password that nobody encoded may hold anything: it ends at the last @ before another URL begins.
_SECRET = re.compile(
    r"""
    (?P<before> (?<!file)(?<!sqlite) :/+ [^@:\n]* : )
        (?: (?! [\s'"] \w[\w+.-]* :/ ) [^\n] )* (?= @ )
    | (?P<parameter>
        \b \w* (?: password | passwd | secret | token | signature | sig | access_key | account_key )
        \w* \s* = \s*
      )
        (?: '[^'\n]*' | [^&\s]* )
    """,
    re.IGNORECASE | re.VERBOSE,
)


class Setting(NamedTuple):
    """A value and where it came from."""

    value: str
    origin: str


_Layer = Callable[[str], Setting | None]


class Settings(NamedTuple):
    """`overridden` describes how the environment overrides the profile of the command line.
    `config_path` is None if there is no home folder.
    """

    given_database_url: Setting | None
    default_database_path: Callable[[], Path]
    database_url_file: Path | None
    blob_url: Setting | None
    actor: Setting
    output: Setting | None
    lock_timeout: Setting | None
    log_format: Setting
    profile: Setting | None
    config_path: Path | None
    overridden: str | None

    @property
    def database_url(self) -> Setting:
        """Return the configured database, else the default one.

        Raises `BadConfiguration` if there is no home folder for the default database.
        """
        if self.given_database_url is not None:
            return self.given_database_url
        return Setting(sqlite_url(self.default_database_path()), "default")


def load_settings(
    flags: Mapping[str, str | None] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Return all settings; raise `BadConfiguration` that names the file and key it cannot use."""
    environ = os.environ if environ is None else environ
    flags = flags or {}
    path = config_path(environ)
    document = config_file.read(path) if path is not None else {}
    profile = _profile(flags, environ)
    layers = _layers(flags, environ, path, document, profile)

    def find(key: str) -> Setting | None:
        return _first(*(layer(key) for layer in layers))

    database_url, database_url_file = _find_database_url(layers) or (None, None)
    if database_url is not None:
        _check_printable(database_url)
    return Settings(
        given_database_url=database_url,
        default_database_path=partial(default_database_path, environ),
        database_url_file=database_url_file,
        blob_url=find("blob_url"),
        actor=find("actor") or Setting(_user_at_host(), "default"),
        output=_checked(find("output"), check_output),
        lock_timeout=_checked(find("lock_timeout"), parse_lock_timeout),
        log_format=_checked(find("log_format"), check_log_format) or Setting("text", "default"),
        profile=profile,
        config_path=path,
        overridden=_overridden(layers, profile),
    )


def profile_names() -> list[str]:
    """The profiles of the configuration file."""
    path = config_path(os.environ)
    return list(config_file.parse(path).get("profiles", {})) if path is not None else []


def guess(
    key: str, flags: Mapping[str, str | None], environ: Mapping[str, str] | None = None
) -> str | None:
    """Return what a setting says as far as can be told: to tell in the right format that settings
    cannot be used.
    """
    environ = os.environ if environ is None else environ
    path = config_path(environ)
    document: dict[str, Any] = {}
    if path is not None:
        with suppress(CatactlError):
            document = config_file.parse(path)
    for layer in _layers(flags, environ, path, document, _profile(flags, environ)):
        with suppress(CatactlError):
            if (setting := layer(key)) is not None:
                return setting.value
    return None


def config_path(environ: Mapping[str, str]) -> Path | None:
    """Return the path of the configuration file, whether or not it exists; None if there is no home
    folder.
    """
    folder = _xdg(environ, "XDG_CONFIG_HOME", ".config")
    return folder / "catactl" / "config.toml" if folder is not None else None


def default_database_path(environ: Mapping[str, str] | None = None) -> Path:
    """Return the path of the SQLite database that is used if none is configured.

    Raises `BadConfiguration` if there is no home folder.
    """
    environ = os.environ if environ is None else environ
    folder = _xdg(environ, "XDG_DATA_HOME", ".local/share")
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
    """Return the text of a URL that `store.urls.parse_url` reads as exactly this SQLite file."""
    return "sqlite:///" + "".join(
        each if each.isprintable() and each not in _ENDS_A_PATH else quote(os.fsencode(each))
        for each in os.fspath(path)
    )


def mask(text: str) -> str:
    """Return the text with the passwords of any URLs and connection strings replaced by `***`."""
    return _SECRET.sub(lambda match: f"{match['before'] or match['parameter']}***", text)


def masked_url(text: str) -> str:
    """Return a URL without its password; of what is no URL nothing, it may be one."""
    _, is_url, rest = text.partition("://")
    user, port = rest.partition("/")[0].rpartition(":")[::2]
    if not is_url or (user and "@" not in rest and not port.isdigit()):
        return "***"
    return mask(text)


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> Path | None:
    configured = environ.get(variable, "")
    # The XDG base directory specification: relative paths are invalid and ignored.
    if os.path.isabs(configured):
        return Path(configured)
    home = _home(environ)
    return home / default if home is not None else None


def _home(environ: Mapping[str, str]) -> Path | None:
    """Return HOME, or the folder in passwd if HOME is not set; None if the path is not absolute."""
    home = environ.get("HOME")
    if home is None:
        with suppress(KeyError):  # passwd lacks users that a container was given by number
            home = pwd.getpwuid(os.getuid()).pw_dir
    return Path(home) if home is not None and os.path.isabs(home) else None


def _check_printable(database_url: Setting) -> None:
    unprintable = next((each for each in database_url.value if not each.isprintable()), None)
    if unprintable is not None:
        raise BadConfiguration(
            f"the database URL ({database_url.origin}) holds {unprintable!a}, which cannot be "
            "printed",
            "write its bytes percent-encoded, for example %0A",
        )


def _first(*settings: Setting | None) -> Setting | None:
    return next((setting for setting in settings if setting is not None), None)


def _flag(flags: Mapping[str, str | None], key: str) -> Setting | None:
    value = flags.get(key)
    return Setting(value, f"--{key.replace('_', '-')}") if value is not None else None


def _variable(environ: Mapping[str, str], key: str) -> Setting | None:
    name = f"CATACTL_{key.upper()}"
    return Setting(environ[name], name) if environ.get(name) else None


def _profile(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Setting | None:
    return _first(_flag(flags, "profile"), _variable(environ, "profile"))


def _layers(
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    path: Path | None,
    document: dict[str, Any],
    profile: Setting | None,
) -> list[_Layer]:
    return [
        lambda key: _flag(flags, key),
        lambda key: _variable(environ, key),
        lambda key: _in_profile(path, document, profile, key),
        lambda key: _in_file(document, key, str(path)),
    ]


def _find_database_url(layers: Sequence[_Layer]) -> tuple[Setting, Path | None] | None:
    """Return the URL, and the file that it was read from, if any."""
    for layer in layers:
        if (url := layer("database_url")) is not None:
            return url, None
        if (url_file := layer("database_url_file")) is not None:
            origin = f"{url_file.value} ({url_file.origin})"
            return Setting(read_url_file(url_file.value, origin), origin), Path(url_file.value)
    return None


def _overridden(layers: Sequence[_Layer], profile: Setting | None) -> str | None:
    """Tell of a database in the environment that goes before that of a profile named by flag."""
    if profile is None or not profile.origin.startswith("--"):
        return None
    flag, variable, named, _ = (
        _first(layer("database_url"), layer("database_url_file")) for layer in layers
    )
    if flag is not None or variable is None or named is None:
        return None
    return f"{variable.origin} overrides the database of profile {profile.value!r}"


def _in_profile(
    path: Path | None, document: dict[str, Any], profile: Setting | None, key: str
) -> Setting | None:
    if profile is None:
        return None
    profiles = config_file.profiles_in(document)
    if profile.value not in profiles:
        if path is None:
            raise BadConfiguration(
                f"no profile {profile.value!r}: there is no home folder for a configuration file",
                "set HOME or XDG_CONFIG_HOME",
            )
        close = get_close_matches(profile.value, profiles, n=1)
        raise BadConfiguration(
            f"no profile {profile.value!r} in {path}",
            f"did you mean {close[0]!r}?" if close else f"add [profiles.{profile.value}] to it",
        )
    return _in_file(profiles[profile.value], key, f"{path} [profiles.{profile.value}]")


def _in_file(table: Mapping[str, Any], key: str, origin: str) -> Setting | None:
    return Setting(str(table[key]), origin) if key in table else None


def _checked(setting: Setting | None, check: Callable[[str], object]) -> Setting | None:
    if setting is not None:
        try:
            check(setting.value)
        except InvalidValue as error:
            raised = InvalidValue if setting.origin.startswith("--") else BadConfiguration
            raise raised(f"{error.message} (from {setting.origin})", error.hint) from None
    return setting


def check_output(value: str) -> None:
    """Raise `InvalidValue` unless it is an output format."""
    if value not in OUTPUT_FORMATS:
        raise InvalidValue(f"no output format {value!r}", f"one of: {', '.join(OUTPUT_FORMATS)}")


def check_log_format(value: str) -> None:
    """Raise `InvalidValue` unless it is a format of log lines."""
    if value not in LOG_FORMATS:
        raise InvalidValue(f"no log format {value!r}", f"one of: {', '.join(LOG_FORMATS)}")


def read_url_file(path: str, origin: str) -> str:
    """Return the database URL that a file holds; `BadConfiguration` if it holds none."""
    try:
        with open(path, "rb") as file:  # maybe a pipe from a secret store
            text = decode("it", file.read(_MAX_URL_LENGTH + 1)).strip()
    except InvalidValue as error:
        message = f"cannot read the database URL from {origin}: {error.message}"
        raise BadConfiguration(message, error.hint) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadConfiguration(f"cannot read the database URL from {origin}: {reason}") from error
    if not text:
        raise BadConfiguration(f"{origin} is empty")
    if len(text) > _MAX_URL_LENGTH:
        raise BadConfiguration(f"{origin} is too long to hold a database URL")
    return text


def _user_at_host() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"
