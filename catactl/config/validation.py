"""Find all problems of the configuration file. `load_settings` stops at the first one."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from catactl.blobs.opening import open_blobs
from catactl.config import file
from catactl.config.file import FileProblem
from catactl.config.masking import mask
from catactl.config.settings import CHECKS
from catactl.errors import BadConfiguration, CatactlError
from catactl.store.sql.urls import parse_url

_CHECKS: Mapping[str, Callable[[str], object]] = {
    "database_url": parse_url,
    "blob_url": open_blobs,
    **CHECKS,
}


def validate(path: Path) -> list[FileProblem]:
    """Return all problems of a file, in its order; none if the file does not exist.

    Opens no connection. Messages contain no password.
    """
    try:
        document = file.parse(path)
    except BadConfiguration as error:
        return [FileProblem(str(path), None, error.message, error.hint)]
    problems = list(file.problems(path, document))
    unusable = {(problem.where, problem.key) for problem in problems}
    for where, table in file.tables(path, document):
        usable = {key: value for key, value in table.items() if (where, key) not in unusable}
        problems += _problems_of_values(where, usable)
        problems += _problems_of_database_urls(path, where, usable)
    order = [where for where, _ in file.tables(path, document)]
    problems.sort(key=lambda problem: order.index(problem.where))
    return [problem._replace(message=mask(problem.message)) for problem in problems]


def _problems_of_values(where: str, table: Mapping[str, Any]) -> Iterator[FileProblem]:
    for key, value in table.items():
        try:
            if key in _CHECKS:
                _CHECKS[key](str(value))
        except CatactlError as error:
            yield FileProblem(where, key, f"{key}: {error.message}", error.hint)


def _problems_of_database_urls(
    path: Path, where: str, table: Mapping[str, Any]
) -> Iterator[FileProblem]:
    """Check the file that contains the URL, and the permissions of files with a password."""
    url, url_file = table.get("database_url"), table.get("database_url_file")
    if url is not None and mask(url) != url and _others_may_access(path):
        message = f"everybody can read the password in {path}"
        yield FileProblem(where, "database_url", message, f"chmod 600 {path}")
    if url_file is None:
        return
    if url is not None:
        message = "database_url overrides database_url_file"
        yield FileProblem(where, "database_url_file", message, "keep one of them")
    try:
        parse_url(file.read_url_file(url_file, url_file))
    except CatactlError as error:
        message = f"database_url_file: {error.message}"
        yield FileProblem(where, "database_url_file", message, error.hint)
    if _others_may_access(Path(url_file)):
        message = f"everybody can read {url_file}"
        yield FileProblem(where, "database_url_file", message, f"chmod 600 {url_file}")


def _others_may_access(path: Path) -> bool:
    try:
        return bool(os.stat(path).st_mode & (stat.S_IROTH | stat.S_IWOTH))
    except (OSError, ValueError):
        return False
