"""Everything that is wrong with the configuration file, not the first thing alone."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from catactl.blobs.opening import open_blobs
from catactl.config import file
from catactl.config.file import Problem
from catactl.config.settings import (
    check_log_format,
    check_output,
    mask,
    read_url_file,
)
from catactl.errors import BadConfiguration, CatactlError
from catactl.store.sql.urls import parse_url
from catactl.values.durations import parse_lock_timeout

_CHECKS: Mapping[str, Callable[[str], object]] = {
    "database_url": parse_url,
    "blob_url": open_blobs,
    "output": check_output,
    "log_format": check_log_format,
    "lock_timeout": parse_lock_timeout,
}


def validate(path: Path) -> list[Problem]:
    """Return all problems of a file, in its order; one that is not there has none.

    Nothing is connected to. What is said holds no password.
    """
    try:
        document = file.parse(path)
    except BadConfiguration as error:
        return [Problem(str(path), None, error.message, error.hint)]
    found = list(file.problems(path, document))
    unusable = {(problem.where, problem.key) for problem in found}
    for where, table in file.tables(path, document):
        usable = {key: value for key, value in table.items() if (where, key) not in unusable}
        found += _of_values(where, usable)
        found += _of_database_urls(path, where, usable)
    order = [where for where, _ in file.tables(path, document)]
    found.sort(key=lambda problem: order.index(problem.where))
    return [problem._replace(message=mask(problem.message)) for problem in found]


def _of_values(where: str, table: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in table.items():
        try:
            if key in _CHECKS:
                _CHECKS[key](str(value))
        except CatactlError as error:
            yield Problem(where, key, f"{key}: {error.message}", error.hint)


def _of_database_urls(path: Path, where: str, table: Mapping[str, Any]) -> Iterator[Problem]:
    """Look into the file that holds the URL, and at who else can read what holds a password."""
    url, url_file = table.get("database_url"), table.get("database_url_file")
    if url is not None and mask(url) != url and _others_may_read(path):
        message = f"everybody can read the password in {path}"
        yield Problem(where, "database_url", message, f"chmod 600 {path}")
    if url_file is None:
        return
    if url is not None:
        message = "database_url goes before database_url_file"
        yield Problem(where, "database_url_file", message, "keep one of them")
    try:
        parse_url(read_url_file(url_file, url_file))
    except CatactlError as error:
        message = f"database_url_file: {error.message}"
        yield Problem(where, "database_url_file", message, error.hint)
    if _others_may_read(Path(url_file)):
        message = f"everybody can read {url_file}"
        yield Problem(where, "database_url_file", message, f"chmod 600 {url_file}")


def _others_may_read(path: Path) -> bool:
    try:
        return bool(os.stat(path).st_mode & (stat.S_IROTH | stat.S_IWOTH))
    except (OSError, ValueError):
        return False
