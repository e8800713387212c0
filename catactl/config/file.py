"""The configuration file: settings at its top, and others for each `[profiles.NAME]`."""

import stat
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from catactl.errors import BadConfiguration, InvalidValue
from catactl.values.text_input import decode

_TYPES: dict[str, tuple[type, ...]] = {
    "database_url": (str,),
    "database_url_file": (str,),
    "blob_url": (str,),
    "actor": (str,),
    "output": (str,),
    "log_format": (str,),
    "lock_timeout": (int, float, str),
}
_MAX_BYTES = 1024 * 1024
_TYPE_NAMES = {dict: "a table", list: "an array", bool: "a boolean", int: "a number"}


class Problem(NamedTuple):
    """What is wrong with the file, where: its path, or that and a profile."""

    where: str
    key: str | None
    message: str
    hint: str | None

    def as_error(self) -> BadConfiguration:
        return BadConfiguration(f"{self.where}: {self.message}", self.hint)


def read(path: Path) -> dict[str, Any]:
    """Return the file's tables; a file that is not there has none. Raises `BadConfiguration` with
    the first problem.
    """
    document = parse(path)
    for problem in problems(path, document):
        raise problem.as_error()
    return document


def parse(path: Path) -> dict[str, Any]:
    """Return what the file says, whether it makes sense or not."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadConfiguration(f"{path} is no file")
        if status.st_size > _MAX_BYTES:
            raise BadConfiguration(f"{path} is over {_MAX_BYTES:,} bytes long")
        import tomllib  # which takes longer than finding that there is no file

        return tomllib.loads(decode("it", path.read_bytes()))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadConfiguration(f"cannot read {path}: {error.strerror}") from error
    except InvalidValue as error:
        raise BadConfiguration(f"{path} cannot be read: {error.message}", error.hint) from error
    except (ValueError, RecursionError) as error:  # also numbers and nesting beyond all measure
        raise BadConfiguration(f"{path} is not TOML that can be read: {error}") from error


def problems(path: Path, document: dict[str, Any]) -> Iterator[Problem]:
    """Yield all that is wrong with keys and types. Values are looked at when they are used."""
    profiles = document.get("profiles", {})
    hint = "as in [profiles.production]"
    if not isinstance(profiles, dict):
        yield Problem(str(path), "profiles", "'profiles' is no table of profiles", hint)
    else:
        for name, profile in profiles.items():
            if not isinstance(profile, dict):
                yield Problem(str(path), f"profiles.{name}", f"profile {name!r} is no table", hint)
    for where, table in tables(path, document):
        for key, value in table.items():
            if key not in _TYPES:
                yield Problem(where, key, f"unknown key {key!r}", _known(key))
            elif isinstance(value, bool) or not isinstance(value, _TYPES[key]):
                wanted = "a string" if _TYPES[key] == (str,) else "a number"
                found = _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")
                yield Problem(where, key, f"{key!r} is {found}, not {wanted}", None)


def tables(path: Path, document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each table of settings, and where it stands."""
    yield str(path), {key: value for key, value in document.items() if key != "profiles"}
    for name, table in profiles_in(document).items():
        yield f"{path} [profiles.{name}]", table


def profiles_in(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the profiles that are tables."""
    profiles = document.get("profiles", {})
    named = profiles.items() if isinstance(profiles, dict) else ()
    return {name: table for name, table in named if isinstance(table, dict)}


def _known(key: str) -> str:
    close = get_close_matches(key, _TYPES, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_TYPES)}"
