"""Run the examinations in their order.

An examination that fails does not stop the others. Its failure is a problem, and the examinations
that need it are skipped.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, Engine

from catactl.blobs.opening import url_beside
from catactl.config.settings import Settings
from catactl.doctor import content, database, machine, postgresql, samples, sqlite
from catactl.doctor.findings import Finding, Status, problem, skipped
from catactl.errors import BadConfiguration, CatactlError
from catactl.store.sql.urls import is_missing_file


class _Examination(NamedTuple):
    """`needs` is the name of an examination that must have found no problem."""

    name: str
    examine: Callable[[], Iterator[Finding]]
    needs: str | None = None
    reports_skip: bool = True


def _examinations(settings: Settings, engine: Engine) -> Iterator[_Examination]:
    yield _Examination("secrets", partial(machine.secrets, settings))
    yield _Examination("database", partial(database.connection, engine))
    if engine.dialect.name == "postgresql":
        yield _Examination("durability", partial(postgresql.durability, engine), "database")
        yield _Examination("schema", partial(database.schema, engine), "database")
        yield _Examination("writable", partial(postgresql.writable, engine), "database")
        yield _Examination("access", partial(postgresql.access, engine), "schema")
    else:
        yield _Examination("durability", partial(sqlite.durability, engine), "database")
        yield _Examination("integrity", partial(sqlite.integrity, engine), "database")
        yield _Examination("schema", partial(database.schema, engine), "database")
        yield _Examination("writable", partial(sqlite.writable, engine), "schema")
        yield _Examination("access", partial(sqlite.access, engine), "database")
    yield _Examination("clock", partial(database.clock, engine), "schema")
    yield _Examination("log", partial(samples.log, engine), "schema")
    yield _Examination("usage", partial(samples.usage, engine), "schema")
    yield _Examination("rows", partial(samples.rows, engine), "schema")
    blob_url = _blob_url(settings, engine.url)
    if blob_url is None:
        yield _Examination("content", partial(content.no_store, engine.url))
    else:
        owner = partial(content.owner, engine, blob_url)
        yield _Examination("content", partial(content.store, blob_url))
        yield _Examination("content", owner, "log", reports_skip=False)
    disk = partial(machine.free_space, _local_folders(engine.url, blob_url))
    yield _Examination("disk", disk)


def examine(settings: Settings, engine: Engine) -> Iterator[tuple[str, Finding]]:
    """Yield the findings of each examination, with its name. None of them creates a database or a
    blob store, or waits for a lock.
    """
    skip_reasons: dict[str, str] = {}
    for each in _examinations(settings, engine):
        if each.needs in skip_reasons:
            reason = skip_reasons[each.name] = skip_reasons[each.needs]
            if each.reports_skip:
                yield each.name, skipped(f"skipped: {reason}")
            continue
        findings = _run(each.examine)
        yield from ((each.name, finding) for finding in findings)
        if any(finding.status is Status.PROBLEM for finding in findings):
            skip_reasons[each.name] = f"it needs the {each.name}"
        elif each.name == "database" and is_missing_file(engine.url):
            skip_reasons[each.name] = "the database does not exist yet"


def _run(examine: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(examine())
    except CatactlError as error:
        return [Finding(Status.PROBLEM, error.message, error.hint)]
    except Exception as error:  # because a broken database can raise any error
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return [problem(f"cannot be examined: {reason}", "undo manual changes, or report a bug")]


def _blob_url(settings: Settings, url: URL) -> str | None:
    if settings.blob_url is not None:
        return settings.blob_url.value
    path = database.sqlite_path(url)
    return url_beside(os.fspath(path)) if path is not None and path.is_file() else None


def _local_folders(url: URL, blob_url: str | None) -> Iterator[tuple[str, Path]]:
    path = database.sqlite_path(url)
    if path is not None:
        yield "database", path.parent
    if blob_url is not None:
        with suppress(BadConfiguration):  # because the examination of the content reports it
            if (root := content.root_of(blob_url)) is not None:
                yield "content", root
