"""What a running command has at hand: settings, output, the database, and how to write to it."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from catactl.cli.framework.options import Options as Options
from catactl.cli.output.log import Log
from catactl.cli.output.render import Lasting, Output
from catactl.cli.output.text import shown
from catactl.config.paths import default_database_path
from catactl.config.settings import (
    OUTPUT_FORMATS,
    Setting,
    Settings,
    guess,
    load_settings,
)
from catactl.errors import BadConfiguration, ConfirmationRequired, InvalidValue
from catactl.values.durations import parse_lock_timeout
from catactl.values.ids import id_to_create

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from catactl.blobs.store import BlobStore
    from catactl.cli.output.verbose import Told
    from catactl.handling.handler import Handler, Intent
    from catactl.handling.unit_of_work import UnitOfWork
    from catactl.queries.as_of import Point
    from catactl.store.reserve import Reserve

_BESIDE = "beside the database"


class Context:
    """A running command. With `finishes` it does its work to the end, even when nobody reads its
    output.
    """

    def __init__(self, common: Options, *, finishes: bool = False, grows: bool = False) -> None:
        self.common = common
        self._grows = grows
        self._opened: Engine | None = None
        self._finishes = finishes
        self._started = time.monotonic()

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.common.flags)

    @property
    def output_setting(self) -> Setting:
        """The output format; by default what fits where the output goes."""
        return self.settings.output or Setting(self._default_output, "default")

    @property
    def _default_output(self) -> str:
        return "table" if sys.stdout.isatty() else "tsv"

    @cached_property
    def output(self) -> Output:
        return self._output(self.output_setting.value)

    def output_without_settings(self) -> Output:
        """The output, also when settings cannot be used."""
        chosen = guess("output", self.common.flags)
        return self._output(chosen if chosen in OUTPUT_FORMATS else self._default_output)

    def _output(self, format_: str) -> Output:
        terminal = sys.stdout.isatty()
        return Output(
            format_,
            quiet=self.common.quiet,
            color=terminal and not self.common.no_color and not os.environ.get("NO_COLOR"),
            stream=Lasting(sys.stdout) if self._finishes else sys.stdout,  # type: ignore[arg-type]
        )

    @property
    def line_output(self) -> Output:
        """For results as they come: JSON, one a line, unless another format is asked for."""
        chosen = self.settings.output
        is_asked_for = chosen is not None and chosen.value != "table"
        return self.output if is_asked_for else self.output.as_json_lines()

    @cached_property
    def log(self) -> Log:
        return Log(
            json=self.settings.log_format.value == "json",
            quiet=self.common.quiet,
            verbose=self.common.verbose,
            beside_json=self.output.is_json,
        )

    # --- the database -----------------------------------------------------------------------------

    def open(self) -> "Engine":
        """Open the configured database without looking at its schema."""
        from catactl.store.sql.engine import open_engine
        from catactl.store.sql.urls import parse_url

        setting = self.settings.database_url
        url = parse_url(setting.value)
        if self.settings.overridden is not None:
            self.log.warning(self.settings.overridden)
        self.log.detail(f"database {setting.value} ({setting.origin})")
        if setting.origin == "default":
            self._make_folder(default_database_path().parent)
        seconds = parse_lock_timeout(self.lock_timeout_setting.value)
        reserve = None if self._grows else self._reserve
        engine = open_engine(url, lock_timeout_seconds=seconds, reserve=reserve)
        self._opened = engine
        if self.common.verbose:
            from catactl.store.sql.tracing import trace

            trace(engine, self._told.sql)
        return engine

    @cached_property
    def _told(self) -> "Told":
        from catactl.cli.output.verbose import Told

        return Told(self.log)

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
        """End the command: make the reserve again if it was released, and print how long the
        command took if the user asked for that.
        """
        reserve: Reserve | None = self.__dict__.get("_reserve")
        if reserve is not None and reserve.released_bytes and self._opened is not None:
            self._opened.dispose()  # because SQLite then removes its log, which frees room
            reserve.make_again()
        if "_told" in self.__dict__:
            self._told.finish((time.monotonic() - self._started) * 1000)

    @property
    def lock_timeout_setting(self) -> Setting:
        """How long to wait for a lock, in seconds."""
        from catactl.store.sql.engine import DEFAULT_LOCK_TIMEOUT_SECONDS

        default = Setting(f"{DEFAULT_LOCK_TIMEOUT_SECONDS:g}", "default")
        return self.settings.lock_timeout or default

    def _make_folder(self, folder: "Path") -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadConfiguration(
                f"cannot make the folder {folder} for the database: {error.strerror}",
                "name a database: --database-url URL",
            ) from error

    @cached_property
    def engine(self) -> "Engine":
        """The configured database, at the schema this version works with."""
        from catactl.store import migrations

        engine = self.open()
        migrations.ensure(engine)
        return engine

    @cached_property
    def blob_url(self) -> str:
        """Where content is kept: as configured, else beside a SQLite database."""
        from catactl.store.sql.urls import file_of

        engine = self.engine
        setting = self.blob_url_setting
        if setting is None or (
            self.is_content_beside and not os.path.isfile(file_of(engine.url) or "")
        ):
            raise BadConfiguration(
                "no place for content is configured",
                "set CATACTL_BLOB_URL, as in file:///srv/catactl/blobs; see: catactl help content",
            )
        self.log.detail(f"content {setting.value} ({setting.origin})")
        return setting.value

    @property
    def is_content_beside(self) -> bool:
        """Return whether content is kept beside a SQLite database, because no other place is
        configured.

        Like the database it is then private to its owner.
        """
        setting = self.blob_url_setting
        return setting is not None and setting.origin == _BESIDE

    @property
    def blob_url_setting(self) -> Setting | None:
        """Where content is, or would be; nothing is opened to find out."""
        from catactl.blobs.opening import url_beside
        from catactl.store.sql.urls import file_of, parse_url

        if self.settings.blob_url is not None:
            return self.settings.blob_url
        path = file_of(parse_url(self.settings.database_url.value))
        return Setting(url_beside(path), _BESIDE) if path is not None else None

    @cached_property
    def blobs(self) -> "BlobStore":
        from catactl.blobs.opening import open_blobs

        return open_blobs(self.blob_url, is_private=self.is_content_beside)

    @property
    def past(self) -> "ModuleType":
        """What tells of the past: loaded only when somebody asks, as it knows the whole domain."""
        from catactl.queries import as_of

        return as_of

    def point(self, as_of: str | None, at_version: int | None = None) -> "Point | None":
        """Return the point in the past that options name; None for the present."""
        if as_of is None and at_version is None:
            return None
        from catactl.values.times import parse_time

        now = self.now()
        moment = parse_time(as_of, now) if as_of is not None else None
        point: Point = self.past.point(moment, at_version, now)
        return point

    def now(self) -> datetime:
        """Return the time of the clock that dates events, because a client of PostgreSQL may have
        another clock.
        """
        from catactl.store import clock

        with self.reading() as conn:
            return clock.now(conn)

    @contextmanager
    def reading(self) -> "Iterator[Connection]":
        from catactl.store.sql.engine import reading

        with reading(self.engine) as conn:
            yield conn

    # --- writing ----------------------------------------------------------------------------------

    @cached_property
    def handler(self) -> "Handler":
        from catactl.handling.handler import Handler

        return Handler(self.engine, told=self._told.written if self.common.verbose else None)

    def intent(
        self,
        org_ref: str,
        request: Callable[[], Mapping[str, Any]] | None = None,
        *,
        key_suffix: str = "",
    ) -> "Intent":
        """Return the intent that the options describe: who wants a change, why and how. `request`
        returns the request under an idempotency key. `key_suffix` distinguishes the writes of one
        command.
        """
        from catactl.handling.handler import Intent

        given = self.common
        key = given.idempotency_key
        if key is not None:
            if not key:
                raise InvalidValue("the idempotency key is empty")
            key += key_suffix
        return Intent(
            actor=self.settings.actor.value,
            reason=given.reason,
            expected_version=given.expected_version,
            dry_run=given.dry_run,
            idempotency_key=key,
            org_ref=org_ref,
            request=request() if key is not None and request is not None else None,
        )

    def organization_id(self, intent: "Intent", *, is_read: bool = True) -> UUID:
        """Return the intent's organization by name or id. If the same request was run under its key
        before, return the organization of that run, because the name may mean another one now.

        If `is_read` is false, the request does not have its content yet, so any request under the
        key may be the same.
        """
        from catactl.store import idempotency, name_lookup

        org_ref, request = intent.org_ref, intent.keyed_request
        with self.reading() as conn:
            if request is None:
                return name_lookup.resolve_organization(conn, org_ref)
            found = name_lookup.find_organizations(conn, [org_ref]).get(org_ref)
            asked = idempotency.KeyLookup(request.key, request.org_ref, found)
            used = list(idempotency.used(conn, [asked]))
            if not used:
                return name_lookup.resolve_organization(conn, org_ref)
        done_for = idempotency.done_for(
            asked, used, lambda answer: not is_read or answer.may_be_of(request)
        )
        if done_for is not None:
            return done_for
        with self.reading() as conn:
            return name_lookup.resolve_organization(conn, org_ref)

    def write(
        self, name: str, org_ref: str, arguments: Mapping[str, Any], *, key_suffix: str = ""
    ) -> dict[str, Any]:
        """Do a write command in an organization; return the resource after it, with what was
        done.
        """
        from catactl.errors import AlreadyExists
        from catactl.operations.commands import VERBS
        from catactl.operations.registry import OperationScope

        verb = VERBS[name]
        intent = self.intent(org_ref, partial(verb.request, arguments), key_suffix=key_suffix)
        if verb.creates:
            org_id = id_to_create(intent.idempotency_key, datetime.now(UTC))
        else:
            org_id = self.organization_id(intent)

        def work(conn: "Connection", unit: "UnitOfWork") -> dict[str, Any]:
            place = OperationScope(conn, unit, org_id, org_ref, intent, suggests=True)
            return verb.do(place, **arguments)

        try:
            return self.handler.transact(org_id, intent, work)
        except AlreadyExists:
            if not arguments.get("if_not_exists"):
                raise
            # It was taken just now, by somebody who asked for the same, or not: now that is known.
            return self.handler.transact(org_id, intent, work)

    def claim_key(self, org_ref: str, request: Mapping[str, Any]) -> UUID:
        """Store the request of a command with several writes under its idempotency key, if it has a
        key; return its organization. Each write has a key of its own.

        Raises `IdempotencyConflict` if the key was used for another request.
        """
        intent = self.intent(org_ref, lambda: request)
        org_id = self.organization_id(intent)
        if intent.idempotency_key is not None:
            self.handler.transact(org_id, intent, lambda _conn, _unit: {})
        return org_id

    # --- talking to people ------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Say something on stderr, beside the result; to programs that read JSON nothing."""
        self.log.note(text)

    def failure(self, text: str) -> None:
        """Say what went wrong with one of several; whoever reads JSON has it in the result."""
        self.log.failure(text)

    @property
    def is_interactive(self) -> bool:
        """Whether there is somebody to ask."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def confirm(self, question: str, flag: str = "--yes") -> None:
        """Ask on a terminal; off it, or when declined, raise `ConfirmationRequired` naming the
        flag.
        """
        if self.common.yes or self.common.dry_run:
            return
        if not self.is_interactive:
            raise ConfirmationRequired(f"{question} needs a confirmation", f"add {flag}")
        print(f"{shown(question)}? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise ConfirmationRequired("declined; nothing was changed")
