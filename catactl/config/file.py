"""Read the configuration file `config.toml`: settings at its top, others in `[profiles.NAME]`."""

import stat
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from catactl.errors import BadConfiguration, InvalidValue
from catactl.values.text_input import decode

_STRINGS = ("database_url", "database_url_file", "blob_url", "actor", "output", "log_format")
KEYS = (*_STRINGS, "lock_timeout")
_MAX_FILE_BYTES = 1024 * 1024
_MAX_URL_BYTES = 65_536
_TYPE_NAMES = {dict: "a table", list: "an array", bool: "a boolean", int: "a number"}


class FileProblem(NamedTuple):
    """A mistake in the file. `where` is the path of the file, followed by the profile, if any."""

    where: str
    key: str | None
    message: str
    hint: str | None


def read(path: Path) -> dict[str, Any]:
    """Return the file's tables, which are empty if the file does not exist. Raises
    `BadConfiguration` with the first problem.
    """
    document = parse(path)
    for problem in problems(path, document) if document else ():
        raise BadConfiguration(f"{problem.where}: {problem.message}", problem.hint)
    return document


def parse(path: Path) -> dict[str, Any]:
    """Return the file's tables without checking keys and types."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadConfiguration(f"{path} is not a regular file")
        if status.st_size > _MAX_FILE_BYTES:
            raise BadConfiguration(f"{path} is over {_MAX_FILE_BYTES:,} bytes long")
        import tomllib  # here, because importing it takes longer than looking for the file

        return tomllib.loads(decode("it", path.read_bytes()))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadConfiguration(f"cannot read {path}: {error.strerror}") from error
    except InvalidValue as error:
        raise BadConfiguration(f"cannot read {path}: {error.message}", error.hint) from error
    except (ValueError, RecursionError) as error:  # TOML errors, huge numbers, deep nesting
        raise BadConfiguration(f"{path} is not valid TOML: {error}") from error


def problems(path: Path, document: dict[str, Any]) -> Iterator[FileProblem]:
    """Yield all problems with keys and types. Values are checked where they are used."""
    profiles = document.get("profiles", {})
    hint = "as in [profiles.production]"
    if not isinstance(profiles, dict):
        yield FileProblem(str(path), "profiles", "'profiles' is not a table of profiles", hint)
    else:
        for name, profile in profiles.items():
            if not isinstance(profile, dict):
                message = f"profile {name!r} is not a table"
                yield FileProblem(str(path), f"profiles.{name}", message, hint)
    for where, table in tables(path, document):
        for key, value in table.items():
            types = (str,) if key in _STRINGS else (str, int, float)
            if key not in KEYS:
                yield FileProblem(where, key, f"unknown key {key!r}", _suggestion(key))
            elif isinstance(value, bool) or not isinstance(value, types):
                expected = "a string" if key in _STRINGS else "a number"
                actual = _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")
                yield FileProblem(where, key, f"{key!r} is {actual}, not {expected}", None)


def tables(path: Path, document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the settings of each table."""
    yield str(path), {key: value for key, value in document.items() if key != "profiles"}
    for name, table in profiles_in(document).items():
        yield f"{path} [profiles.{name}]", table


def profiles_in(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the profiles that are tables."""
    profiles = document.get("profiles", {})
    named = profiles.items() if isinstance(profiles, dict) else ()
    return {name: table for name, table in named if isinstance(table, dict)}


def read_url_file(path: str, origin: str) -> str:
    """Return the database URL in a file; raise `BadConfiguration` if the file has none."""
    try:
        with open(path, "rb") as file:  # may be a pipe from a secret store
            text = decode("it", file.read(_MAX_URL_BYTES + 1)).strip()
    except InvalidValue as error:
        message = f"cannot read the database URL from {origin}: {error.message}"
        raise BadConfiguration(message, error.hint) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadConfiguration(f"cannot read the database URL from {origin}: {reason}") from error
    if not text:
        raise BadConfiguration(f"{origin} is empty")
    if len(text) > _MAX_URL_BYTES:
        raise BadConfiguration(f"{origin} is too long to be a database URL")
    return text


def _suggestion(key: str) -> str:
    close = get_close_matches(key, KEYS, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(KEYS)}"
