"""Functions that run in other processes, race for one organization, and are killed.

Each sends its report through a pipe of its own, because a killed process may leave a shared queue
locked.
"""

import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine, bindparam, select

from catactl.blobs.directory import Directory
from catactl.blobs.store import measure
from catactl.content.stored_parts import content_of, stored_part
from catactl.content.sweep import sweep
from catactl.content.upload_part import upload_part
from catactl.domain.file import CreateFile, UploadPart
from catactl.errors import Busy, CatactlError, QuotaExceeded, Refused
from catactl.handling.handler import Handler
from catactl.projections.swept_content import generations
from catactl.store import event_log
from catactl.store.sql import sqlite
from catactl.store.sql.engine import open_engine, reading
from catactl.store.sql.urls import parse_url
from catactl.store.tables import logs
from catactl.values.ids import new_id
from tests.content.support import Bytes, Silent
from tests.support import (
    BYTES_1,
    BYTES_2,
    INTENT,
    NOON,
    delete_file,
    restore_file,
    run,
    upload,
)

# --- races ----------------------------------------------------------------------------------------


class Race(NamedTuple):
    """One organization and a file, to which each of the `racers` uploads `uploads` parts."""

    url: str
    org_id: UUID
    file_id: UUID
    racers: int
    uploads: int
    guarded: bool = True


@dataclass
class Report:
    done: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)


def race(what: Race, number: int, start: Barrier, pipe: Pipe) -> None:
    """Upload, replace, delete and restore as fast as possible. No error is allowed."""
    report = Report()
    engine = _open(what)
    try:
        handler = Handler(engine)
        scratch_id = new_id(NOON)
        run(handler, what.org_id, scratch_id, CreateFile(f"scratch-{number}", NOON))
        upload(handler, what.org_id, scratch_id, 1, 1_000 + number)
        start.wait()
        for turn in range(what.uploads):
            part = number * what.uploads + turn + 1
            _count(report, partial(upload, handler, what.org_id, what.file_id, part, part))
            if turn % 5 == 4:
                again = UploadPart(part - 3, part + 7, BYTES_2)
                _count(report, partial(run, handler, what.org_id, what.file_id, again))
            if turn % 10 == 8:
                _count(report, lambda: delete_file(handler, what.org_id, scratch_id))
                _count(report, lambda: restore_file(handler, what.org_id, scratch_id))
    except BaseException:
        report.errors.append(traceback.format_exc())
        start.abort()
    finally:
        engine.dispose()
        pipe.send(report)
        pipe.close()


def race_for_room(what: Race, number: int, start: Barrier, pipe: Pipe) -> None:
    """Upload a part of ten bytes under each number, even if the quota has no room."""
    report = Report()
    engine = _open(what)
    try:
        handler = Handler(engine)
        start.wait()
        for turn in range(what.uploads):
            part = number * what.uploads + turn + 1
            try:
                upload(handler, what.org_id, what.file_id, part, 10)
                report.done += 1
            except QuotaExceeded:
                report.refused += 1
    except BaseException:
        report.errors.append(traceback.format_exc())
        start.abort()
    finally:
        engine.dispose()
        pipe.send(report)
        pipe.close()


class ContentRace(NamedTuple):
    """Processes that upload the same few contents, and one that sweeps all the time."""

    url: str
    blob_folder: str
    org_id: UUID
    uploaders: int
    turns: int


def race_for_content(
    what: ContentRace, number: int, start: Barrier, over: Event, pipe: Pipe
) -> None:
    """Sweep until it is over (number 0), or upload, replace and delete as fast as possible."""
    report = Report()
    engine = open_engine(parse_url(what.url))
    try:
        handler, blobs = Handler(engine), Directory(Path(what.blob_folder))
        start.wait()
        if number == 0:
            while not over.is_set():
                now = datetime.now(UTC)
                swept = sweep(handler, blobs, what.org_id, now, INTENT)
                report.done += swept["removed_blobs"]
            return
        chance = random.Random(number)
        file_id = new_id(NOON)
        run(handler, what.org_id, file_id, CreateFile(f"first-{number}", NOON))
        for turn in range(what.turns):
            # The same few for all, and others after a while, so that what is lost stays lost.
            chunk = bytes([turn // 10, chance.randrange(3)])
            _store_part(handler, blobs, what.org_id, file_id, chance.randint(1, 2), chunk)
            if _is_missing(engine, blobs, what.org_id, chunk):
                report.errors.append(f"turn {turn}: an event refers to missing content")
            if turn % 4 == 3:
                if turn % 8 == 3:
                    delete_file(handler, what.org_id, file_id)
                file_id = new_id(NOON)
                run(handler, what.org_id, file_id, CreateFile(f"next-{number}-{turn}", NOON))
            report.done += 1
    except BaseException:
        report.errors.append(traceback.format_exc())
        start.abort()
    finally:
        engine.dispose()
        pipe.send(report)
        pipe.close()


def _is_missing(engine: Engine, blobs: Directory, org_id: UUID, chunk: bytes) -> bool:
    """Return whether referenced content is missing."""
    part = stored_part(1, measure([chunk]))
    with reading(engine) as conn:
        now_in = generations(conn, org_id, [part.sha256])
    return bool(blobs.missing(org_id, [content_of(part, now_in)]))


def _store_part(
    handler: Handler, blobs: Directory, org_id: UUID, file_id: UUID, number: int, chunk: bytes
) -> None:
    """Upload a part as the program does, and retry if sweeps removed the content each time."""
    while True:
        with suppress(Busy):
            upload_part(
                handler, blobs, org_id, str(file_id), number, Bytes(chunk), INTENT, Silent()
            )
            return


def _count(report: Report, action: Callable[[], object]) -> None:
    try:
        action()
        report.done += 1
    except Exception as error:
        report.errors.append(f"{type(error).__name__}: {error}")


def _open(what: Race) -> Engine:
    engine = open_engine(parse_url(what.url))
    if what.guarded:
        return engine
    # PostgreSQL: read the log's row without locking it.
    event_log._LOCK = select(logs.c.position, logs.c.recorded_at, logs.c.head_hash).where(
        logs.c.org_id == bindparam("of_org")
    )

    # SQLite: begin no transaction before the first write. The driver does the same by default.
    sqlite._begin_immediate = lambda conn, lock_timeout_seconds: None
    return engine


# --- kills ----------------------------------------------------------------------------------------


class Slaughter(NamedTuple):
    """The settings of rounds in which `at_once` workers write to an organization and are killed."""

    url: str
    org_id: UUID
    file_ids: tuple[UUID, ...]
    rounds: int
    at_once: int
    longest_ms: int


def slaughter(what: Slaughter, pipe: Pipe) -> None:
    """Fork workers from this process, which has imported and compiled everything, and kill them.

    Report the number of killed workers, and their errors before that.
    """
    chance = random.Random(7)
    engine = open_engine(parse_url(what.url))
    complaints: list[str] = []
    killed = 0
    try:
        upload(Handler(engine), what.org_id, what.file_ids[0], 1, 1)
        engine.dispose()  # a forked process must not share a connection
        for _ in range(what.rounds):
            herd = [_let_loose(what, engine, chance.random()) for _ in range(what.at_once)]
            for _pid, ready in herd:
                complaints += _read_ready(ready)
            for pid, ready in chance.sample(herd, len(herd)):
                time.sleep(chance.uniform(0, what.longest_ms) / 1_000)
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                    killed += 1
                complaints += _read_rest(ready)
    except BaseException:
        complaints.append(traceback.format_exc())
    finally:
        engine.dispose()
        pipe.send((killed, complaints))
        pipe.close()


def _let_loose(what: Slaughter, engine: Engine, seed: float) -> tuple[int, int]:
    """Fork a worker. Return its id and a pipe that has a byte when it begins."""
    ready, report = os.pipe()
    pid = os.fork()
    if pid:
        os.close(report)
        return pid, ready
    try:
        os.close(ready)
        _work(what, engine, random.Random(seed), report)
    except BaseException:
        os.write(report, traceback.format_exc().encode())
    finally:
        os._exit(1)


def _read_ready(ready: int) -> list[str]:
    first = os.read(ready, 1)
    return [] if first == b"." else [f"the worker is not ready: {first + os.read(ready, 10_000)!r}"]


def _read_rest(ready: int) -> list[str]:
    rest = os.read(ready, 10_000).decode()
    os.close(ready)
    return [rest] if rest else []


def _work(what: Slaughter, engine: Engine, chance: random.Random, report: int) -> None:
    """Run random commands until killed. Ignore refusals, because another worker may come first."""
    handler = Handler(engine)
    os.write(report, b".")
    while True:
        file_id = chance.choice(what.file_ids)
        try:
            match chance.randrange(6):
                case 0:
                    delete_file(handler, what.org_id, file_id)
                case 1:
                    restore_file(handler, what.org_id, file_id)
                case 2:
                    new = new_id(NOON)
                    run(handler, what.org_id, new, CreateFile(f"file-{new}-of", NOON))
                case _:
                    digest = chance.choice([BYTES_1, BYTES_2])
                    part = UploadPart(chance.randint(1, 300), chance.randint(0, 10**6), digest)
                    run(handler, what.org_id, file_id, part)
        except CatactlError as error:
            if type(error) is not Refused:
                raise
