"""The examinations in their order.

Each stands alone: what it runs into is its finding, and only what needs it is left out.
"""

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, Engine

from catactl.blobs.opening import url_beside
from catactl.config.settings import Settings
from catactl.doctor import content, database, machine, postgresql, proofs, sqlite
from catactl.doctor.said import Check, Said, Status
from catactl.errors import BadConfiguration, CatactlError
from catactl.store.sql.urls import is_missing_file


class _Examination(NamedTuple):
    name: str
    examine: Callable[[Engine], Iterator[Said]]
    needs: str = "schema"
    dialect: str | None = None  # None: either


_OF_DATABASES = (
    _Examination("database", database.reach, needs=""),
    _Examination("durability", postgresql.durability, "database", "postgresql"),
    _Examination("durability", sqlite.durability, "database", "sqlite"),
    _Examination("integrity", sqlite.integrity, "database", "sqlite"),
    _Examination("schema", database.schema, "database"),
    _Examination("writable", postgresql.writable, "database", "postgresql"),
    _Examination("writable", sqlite.writable, "schema", "sqlite"),
    _Examination("access", postgresql.access, "schema", "postgresql"),
    _Examination("access", sqlite.access, "database", "sqlite"),
    _Examination("clock", database.clock),
    _Examination("log", proofs.log),
    _Examination("usage", proofs.usage),
    _Examination("rows", proofs.rows),
)


def examine(settings: Settings, engine: Engine) -> Iterator[Check]:
    """Yield what each examination saw. None creates a database or a place, or waits for a lock."""
    yield from _checked("secrets", partial(machine.secrets, settings))
    unmet = yield from _of_database(engine)
    blob_url = _blob_url(settings, engine.url)
    if blob_url is not None:
        yield from _checked("content", partial(content.place, blob_url))
        if "log" not in unmet:
            yield from _checked("content", partial(content.log, engine, blob_url))
    else:
        yield from _checked("content", partial(content.no_place, engine.url))
    yield from _checked("disk", lambda: machine.free_space(_kept_here(engine.url, blob_url)))


def _of_database(engine: Engine) -> Generator[Check, None, Mapping[str, str]]:
    """Yield the observations; return, by name, why examinations were left out, and which depend on
    a failed one.
    """
    unmet: dict[str, str] = {}
    for each in _OF_DATABASES:
        if each.dialect not in {None, engine.dialect.name}:
            continue
        if each.needs in unmet:
            unmet[each.name] = unmet[each.needs]
            yield Check(each.name, Status.SKIPPED, f"left out: {unmet[each.name]}")
            continue
        checks = _checked(each.name, partial(each.examine, engine))
        yield from checks
        if any(check.status is Status.PROBLEM for check in checks):
            unmet[each.name] = f"it needs the {each.name}"
        elif each.name == "database" and is_missing_file(engine.url):
            unmet[each.name] = "there is no database yet"
    return unmet


def _checked(name: str, examination: Callable[[], Iterator[Said]]) -> list[Check]:
    try:
        return [Check(name, *said) for said in examination()]
    except CatactlError as error:
        return [Check(name, Status.PROBLEM, error.message, error.hint)]
    except Exception as error:  # what is broken breaks in ways that nobody foresaw
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        hint = "undo what was changed by hand, else report it"
        return [Check(name, Status.PROBLEM, f"it cannot be examined: {what}", hint)]


def _blob_url(settings: Settings, url: URL) -> str | None:
    if settings.blob_url is not None:
        return settings.blob_url.value
    path = database.path_in(url)
    return url_beside(os.fspath(path)) if path is not None and path.is_file() else None


def _kept_here(url: URL, blob_url: str | None) -> Iterator[tuple[str, Path]]:
    path = database.path_in(url)
    if path is not None:
        yield "database", path.parent
    if blob_url is not None:
        with suppress(BadConfiguration):  # which is told of as content's
            if (root := content.root_of(blob_url)) is not None:
                yield "content", root
