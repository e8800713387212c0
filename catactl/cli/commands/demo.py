"""catactl demo"""

import filecmp
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple, cast
from uuid import UUID

import typer
from sqlalchemy import Connection

import catactl
from catactl.blobs.opening import open_blobs, url_beside
from catactl.blobs.store import BlobStore
from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.framework.options import CONTENT
from catactl.cli.output.text import shown
from catactl.config.paths import sqlite_url
from catactl.content.download import download_file
from catactl.content.paths import FoundFile
from catactl.content.pending import PendingFile
from catactl.content.readable_file import readable_file
from catactl.content.recorder import Recorder
from catactl.content.stored_parts import StoredPart, stored_part
from catactl.content.upload import upload_files
from catactl.content.upload_options import UploadedFile, UploadOptions
from catactl.content.verify import verify_organizations
from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import DeleteFile
from catactl.domain.organization import CreateOrganization
from catactl.errors import CatactlError, Findings, Forbidden, InvalidValue, NotFound, SourceChanged
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import Outcome, UnitOfWork
from catactl.queries.usage import get_usage
from catactl.results.program import DemoResult
from catactl.results.result import Checked
from catactl.store import hash_chain, migrations
from catactl.store.sql.engine import open_engine, reading
from catactl.store.sql.urls import parse_url
from catactl.usage import check
from catactl.values.ids import new_id
from catactl.values.names import check_file_name
from catactl.values.sizes import format_size
from catactl.wiring import topology

_PROCESSES = 8
_PART_BYTES = 256 * 1024
_BROKEN_OFF_EACH = 4
_DELETED_EACH = 5


class Place(NamedTuple):
    """Where the demo plays: handed to each process."""

    database_url: str
    blob_url: str
    org_id: UUID
    org: str
    intent: Intent
    is_private: bool

    def open_blobs(self) -> BlobStore:
        return open_blobs(self.blob_url, is_private=self.is_private)


class Job(NamedTuple):
    """A file to upload, in a process of its own."""

    number: int
    source: FoundFile


class Done(NamedTuple):
    """The commands as typed, and the file if it lives."""

    lines: list[str]
    source: FoundFile
    file_id: UUID | None


@command(CONTENT)
def demo(
    context: Context,
    path: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="A folder; else catactl's own files.")
    ] = None,
) -> Checked[DemoResult] | None:
    """Run the main job on real files: eight processes upload all under PATH at once.

    Some uploads break off and are run again, some files are deleted, one is refused by the quota.
    Then usage is proved, and all is downloaded again and compared. It works in a database thrown
    away afterwards, unless --database-url names one.

    Example: catactl demo .
    """
    folder = Path(path) if path is not None else Path(catactl.__file__).parent
    if not folder.is_dir():
        raise InvalidValue(f"no folder {str(folder)!r}")
    run = context
    given = run.options
    now = datetime.now(UTC)
    org_id = new_id(now)
    intent = Intent(run.settings.actor.value, reason="catactl demo")
    scratch = tempfile.mkdtemp(prefix="catactl-demo-")
    try:
        if given.database_url or given.database_url_file or given.profile:
            database_url, blob_url = run.settings.database_url.value, run.blob_url
            is_private = run.is_content_beside
        else:
            database_url = sqlite_url(Path(scratch) / "catactl.db")
            blob_url = given.blob_url or url_beside(f"{scratch}/catactl.db")
            is_private = False  # because the scratch folder around it is private
            migrations.upgrade(open_engine(parse_url(database_url)))
        name = f"demo-{org_id.hex[-8:]}"
        place = Place(database_url, blob_url, org_id, name, intent, is_private)
        return _play(run, place, folder, Path(scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _play(run: Context, place: Place, folder: Path, scratch: Path) -> Checked[DemoResult] | None:
    started, started_at = time.monotonic(), time.time()
    say: Callable[[str], None] = (
        (lambda _line: None)
        if run.output.is_for_programs
        else (lambda line: run.output.text([line]))
    )
    engine = open_engine(parse_url(place.database_url))
    handler, org_id, org = Handler(engine), place.org_id, place.org
    jobs = list(_jobs(folder))
    total_bytes = sum(_size_bytes(job.source.path) for job in jobs)
    quota_bytes = 2 * total_bytes + _PART_BYTES

    say(_typed("org", "create", org, "--quota", str(quota_bytes)))
    create = CreateOrganization(org, datetime.now(UTC), quota_bytes)
    handler.transact(org_id, place.intent, partial(_run_command, CommandEnvelope(org_id, create)))
    say(f"# {len(jobs)} files, {format_size(total_bytes)}, by {_PROCESSES} processes at once")
    commands, live = 1, []
    with get_context("spawn").Pool(_PROCESSES, _start_worker, (place,)) as pool:
        for done in pool.imap_unordered(_upload, jobs):
            commands += len(done.lines)
            for line in done.lines:
                say(line)
            if done.file_id is not None:
                live.append((done.source, done.file_id))

    say("# one more than the quota has room for")
    too_big = scratch / "too-big.bin"
    too_big.touch()
    os.truncate(too_big, quota_bytes + 1)
    say(_typed("file", "upload", org, too_big.name))
    refused = _Uploader(place).upload(FoundFile(str(too_big), too_big.name)).error
    assert refused is not None, "the quota has no room for it"
    say(f"catactl: error: {refused.message}   (nothing written)")

    say(_typed("usage", "show", org))
    with reading(engine) as conn:
        figures = get_usage(conn, org_id)
    for name in ("used_bytes", "quota_bytes", "file_count", "part_count", "position"):
        say(f"  {name:<12} {figures[name]:,}")
    say(_typed("usage", "check", org))
    (finding,) = check.check(engine, [org_id])
    stored = finding.as_result()
    verdict = "DRIFT" if finding.drifted else "exact"
    say(
        f"  {verdict}: events {finding.from_file_events.used_bytes:,}, organization "
        f"{stored['organization_bytes']:,}, view {stored['projection_bytes']:,}"
        f", unpaired events {finding.unpaired_events}"
    )
    say(_typed("event", "verify", org))
    with reading(engine) as conn:
        holding, broken = hash_chain.verify(conn, org_id)
    say(f"  {holding:,} events prove themselves" if broken is None else f"  {broken.problem}")

    say("# every file downloaded again, and compared with what was uploaded")
    say(_typed("file", "download", org, "FILE", "--to", "downloads/"))
    same = 0
    live = [each for each in live if not _changed_since(each[0], started_at)]
    for source, file_id in live:
        with reading(engine) as conn:
            found = readable_file(conn, org_id, file_id)
        copy = scratch / file_id.hex
        download_file(place.open_blobs(), found, str(copy), lambda _bytes: None)
        same += filecmp.cmp(source.path, copy, shallow=False)
        copy.unlink()
    say(f"  {same:,} of {len(live):,} files are the same, byte for byte")
    say(_typed("blob", "verify", org))
    blobs = place.open_blobs()
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    verified = verify_organizations(engine, blobs, [org_id], long_ago, lambda _bytes: None)
    say(f"  {verified.blobs:,} blobs read, {len(verified.problems)} missing or damaged")

    say(_typed("topology"))
    for line in topology.as_tree():
        say(f"  {line}")
    commands += 6 + len(live)
    seconds = time.monotonic() - started
    say(
        f"# {verdict}: {figures['used_bytes']:,} bytes in {figures['file_count']:,} files by "
        f"{_PROCESSES} processes; {commands:,} commands in {seconds:.1f} s"
    )
    engine.dispose()
    error = None
    if finding.drifted or broken is not None or verified.problems or same != len(live):
        error = Findings("the demo found drift or lost content: this is a bug")
    if run.output.is_for_programs:
        summary = {
            "commands": commands,
            "files_compared": len(live),
            "files_same": same,
            "content_problems": len(verified.problems),
            "seconds_millis": round(seconds * 1000),
        }
        result = cast(DemoResult, {**figures, **finding.as_result(), **summary})
        return Checked(result, error)
    if error is not None:
        raise error
    return None


def _jobs(folder: Path) -> Iterator[Job]:
    """Yield the regular files below the folder whose names can be stored, in order of name."""
    found = sorted(Path(root) / name for root, _, names in os.walk(folder) for name in names)
    number = 0
    for path in found:
        if path.parent.name == "__pycache__":
            continue
        name = path.relative_to(folder).as_posix()
        try:
            name = check_file_name(name)
        except CatactlError:
            continue
        if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
            number += 1
            yield Job(number, FoundFile(str(path), name))


def _size_bytes(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:  # it vanished: its upload will say so
        return 0


def _changed_since(source: FoundFile, moment: float) -> bool:
    """Whether somebody else wrote to the original, so that it cannot be compared with."""
    try:
        return os.stat(source.path).st_mtime >= moment
    except OSError:
        return True


class _NoProgress:
    def begin(self, name: str) -> None:
        pass

    def advance(self, size_bytes: int, /) -> None:
        pass


def _run_command(
    command: CommandEnvelope, _conn: Connection, unit: UnitOfWork
) -> dict[str, object]:
    unit.run(command)
    return {}


class _Uploader:
    """What a process has at hand."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.handler = Handler(open_engine(parse_url(place.database_url)))
        self.blobs = place.open_blobs()
        self._options = UploadOptions(place.intent, part_bytes=_PART_BYTES)

    def upload(self, source: FoundFile) -> UploadedFile:
        (uploaded,) = upload_files(
            self.handler, self.blobs, self.place.org_id, [source], self._options, _NoProgress()
        )
        return uploaded

    def break_off(self, source: FoundFile) -> None:
        """Leave half of a first part behind, as an upload that broke off with other content."""
        with open(source.path, "rb") as file:
            half = file.read(_PART_BYTES)[::2]
        content = self.blobs.put(self.place.org_id, [half])
        pending = PendingFile(name=source.name, intent=self.place.intent)
        pending.ready.append(StoredPart(stored_part(1, content), skipped=False))
        Recorder(self.handler, self.blobs, self.place.org_id).record([pending])

    def delete(self, file_id: UUID) -> None:
        delete = partial(_run_command, CommandEnvelope(file_id, DeleteFile()))
        self.handler.transact(self.place.org_id, self.place.intent, delete)


_worker: _Uploader


def _start_worker(place: Place) -> None:
    global _worker
    _worker = _Uploader(place)


def _upload(job: Job) -> Done:
    """Upload one file; return the commands as typed."""
    org, source = _worker.place.org, job.source
    lines = []
    if job.number % _BROKEN_OFF_EACH == 0 and _size_bytes(source.path):
        with suppress(OSError):  # it vanished: its upload will say so
            _worker.break_off(source)
            lines.append(_typed("part", "upload", org, source.name, "1", "HALF"))
    lines.append(_typed("file", "upload", org, source.name))
    uploaded = _worker.upload(source)
    if isinstance(uploaded.error, SourceChanged | NotFound | Forbidden | InvalidValue):
        return Done([f"# {shown(uploaded.error.message)}: left out"], source, None)
    if uploaded.error is not None:
        raise uploaded.error
    assert uploaded.row is not None, "it failed or it has a row"
    file_id = UUID(uploaded.row["file_id"])
    if job.number % _DELETED_EACH == 0:
        lines.append(_typed("file", "delete", org, source.name))
        _worker.delete(file_id)
        return Done(lines, source, None)
    return Done(lines, source, file_id)


def _typed(*words: str) -> str:
    return f"$ catactl {shown(shlex.join(words))}"


def _nothing(_outcome: Outcome) -> dict[str, object]:
    return {}
