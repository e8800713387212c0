"""The database and the content of a running command, opened when the command first uses them."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from catactl.cli.framework.console import Console
from catactl.config.paths import default_database_path
from catactl.config.settings import Setting
from catactl.errors import BadConfiguration
from catactl.values.durations import parse_lock_timeout

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from catactl.blobs.store import BlobStore
    from catactl.cli.output.verbose import VerboseLog
    from catactl.store.reserve import Reserve

_BESIDE = "beside the database"


class Storage(Console):
    """The database and the content that the settings name."""

    @cached_property
    def database(self) -> "Engine":
        """The configured database with any schema. See `engine`."""
        from catactl.store.sql.engine import open_engine
        from catactl.store.sql.urls import parse_url

        setting = self.settings.database_url
        url = parse_url(setting.value)
        if self.settings.overridden is not None:
            self.log.warning(self.settings.overridden)
        if self.options.verbose:
            self.log.detail(f"database {setting.value} ({setting.origin})")
        if setting.origin == "default":
            _make_folder(default_database_path().parent)
        seconds = parse_lock_timeout(self.settings.lock_timeout.value)
        reserve = None if self._grows else self._reserve
        engine = open_engine(url, lock_timeout_seconds=seconds, reserve=reserve)
        if self.options.verbose:
            from catactl.store.sql.tracing import trace

            trace(engine, self._verbose_log.on_statements)
        return engine

    @cached_property
    def engine(self) -> "Engine":
        """The configured database, at the schema that this version works with."""
        from catactl.store import migrations

        migrations.ensure(self.database)
        return self.database

    @contextmanager
    def reading(self) -> "Iterator[Connection]":
        from catactl.store.sql.engine import reading

        with reading(self.engine) as conn:
            yield conn

    @cached_property
    def snapshot(self) -> "Connection":
        """A connection that stays open until the result is printed, because rows are read while
        they are printed.
        """
        return self.until_printed.enter_context(self.reading())

    @cached_property
    def _verbose_log(self) -> "VerboseLog":
        from catactl.cli.output.verbose import VerboseLog

        return VerboseLog(self.log)

    @cached_property
    def _reserve(self) -> "Reserve | None":
        """Return the reserve of a SQLite database; None for a server, or a database that cannot be
        written.
        """
        from catactl.store.reserve import Reserve
        from catactl.store.sql.urls import file_of, is_read_only, parse_url

        url = parse_url(self.settings.database_url.value)
        path = file_of(url)
        return Reserve(path) if path is not None and not is_read_only(url) else None

    def keep_reserve(self) -> None:
        """Make the reserve, so that other commands can delete when the disk is full."""
        if self._reserve is not None:
            self._reserve.make()

    def finish(self) -> None:
        """End the command: make the reserve again if it was released, and print the duration with
        --verbose.
        """
        reserve: Reserve | None = self.__dict__.get("_reserve")
        if reserve is not None and reserve.released_bytes and "database" in self.__dict__:
            self.database.dispose()  # because SQLite then removes its log, which frees room
            reserve.make_again()
        if "_verbose_log" in self.__dict__:
            self._verbose_log.finish((time.monotonic() - self._started) * 1000)

    def now(self) -> datetime:
        """Return the time of the clock that dates events, because a client of PostgreSQL may have
        another clock.
        """
        from catactl.store import clock

        with self.reading() as conn:
            return clock.now(conn)

    @cached_property
    def blobs(self) -> "BlobStore":
        from catactl.blobs.opening import open_blobs

        return open_blobs(self.blob_url, is_private=self.is_content_beside)

    @cached_property
    def blob_url(self) -> str:
        """The configured URL of the blob store, or the folder beside a SQLite database."""
        from catactl.store.sql.urls import file_of

        engine = self.engine
        setting = self.blob_url_setting
        if setting is None or (
            self.is_content_beside and not os.path.isfile(file_of(engine.url) or "")
        ):
            raise BadConfiguration(
                "no location for content is configured",
                "set CATACTL_BLOB_URL, as in file:///srv/catactl/blobs; see: catactl help content",
            )
        self.log.detail(f"content {setting.value} ({setting.origin})")
        return setting.value

    @property
    def is_content_beside(self) -> bool:
        """Return whether content is beside a SQLite database, because no other location is
        configured. The content is then private to its owner, like the database.
        """
        setting = self.blob_url_setting
        return setting is not None and setting.origin == _BESIDE

    @property
    def blob_url_setting(self) -> Setting | None:
        """The configured or default location of content. Reading it opens nothing."""
        from catactl.blobs.opening import url_beside
        from catactl.store.sql.urls import file_of, parse_url

        if self.settings.blob_url is not None:
            return self.settings.blob_url
        path = file_of(parse_url(self.settings.database_url.value))
        return Setting(url_beside(path), _BESIDE) if path is not None else None


def _make_folder(folder: "Path") -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadConfiguration(
            f"cannot create the folder {folder} for the database: {error.strerror}",
            "name a database: --database-url URL",
        ) from error
