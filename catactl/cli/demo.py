"""catactl demo"""

import hashlib
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple
from uuid import UUID

import typer

import catactl
from catactl import resources, topology, usage
from catactl.cli.leaf import leaf
from catactl.cli.output import Shape, shown
from catactl.cli.run import Run
from catactl.domain.decider import Addressed
from catactl.domain.file import CompleteFile, CreateFile, DeleteFile, UploadPart
from catactl.domain.names import check_file_name
from catactl.domain.organization import CreateOrganization
from catactl.domain.sizes import format_size
from catactl.errors import CatactlError, Findings, InvalidValue, QuotaExceeded
from catactl.handler import Handler, Intent, Outcome
from catactl.ids import new_id
from catactl.store import event_log, schema
from catactl.store.engine import open_engine, parse_url, reading

app = typer.Typer()

_PROCESSES = 8
_PART_BYTES = 256 * 1024
_REPLACED_EACH = 4
_DELETED_EACH = 5


class Upload(NamedTuple):
    """A file to record, in a process of its own; what is in it is read there."""

    number: int
    path: str
    name: str


@leaf(app)
def demo(
    run: Run,
    path: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="A folder; else catactl's own files.")
    ] = None,
) -> None:
    """Run the main job on real files: eight processes record all under PATH at once.

    Some parts are replaced, some files deleted, one upload is refused by the quota; then usage is
    proved. It works in a database thrown away afterwards, unless --database-url names one.

    Example: catactl demo .
    """
    folder = Path(path) if path is not None else Path(catactl.__file__).parent
    if not folder.is_dir():
        raise InvalidValue(f"no folder {str(folder)!r}")
    given = run.common
    scratch = tempfile.mkdtemp(prefix="catactl-demo-")
    try:
        if given.database_url or given.database_url_file or given.profile:
            url_text = run.settings.database_url.value
            _ = run.engine  # not at head is said before anything is done
        else:
            url_text = f"sqlite:///{scratch}/catactl.db"
            schema.upgrade(open_engine(parse_url(url_text)))
        _play(run, url_text, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _play(run: Run, url_text: str, folder: Path) -> None:
    started = time.monotonic()
    say: Callable[[str], None] = (
        (lambda _line: None) if run.output.is_for_programs else run.output.text
    )
    engine = open_engine(parse_url(url_text))
    handler, intent = Handler(engine), Intent(run.settings.actor.value, reason="catactl demo")
    uploads = list(_uploads(folder))
    total_bytes = sum(os.path.getsize(upload.path) for upload in uploads)
    quota_bytes = 2 * total_bytes + _PART_BYTES
    now = datetime.now(UTC)
    org_id = new_id(now)
    org = f"demo-{org_id.hex[-8:]}"

    say(_typed("org", "create", org, "--quota", str(quota_bytes)))
    handler.handle(org_id, CreateOrganization(org, now, quota_bytes), intent, _nothing)

    say(f"# {len(uploads)} files, {format_size(total_bytes)}, by {_PROCESSES} processes at once")
    commands = 0
    spawn = get_context("spawn")
    with spawn.Pool(_PROCESSES, _start_worker, (url_text, org_id, org, intent)) as pool:
        for lines in pool.imap_unordered(_record, uploads):
            commands += len(lines)
            for line in lines:
                say(line)

    say("# one more than the quota has room for")
    commands += 2
    say(_typed("file", "create", org, "too-big.bin"))
    too_big = new_id(now)
    create = CreateFile("too-big.bin", now)
    handler.handle(org_id, lambda _conn: Addressed(too_big, create), intent, _nothing)
    digest = hashlib.sha256(b"").hexdigest()
    refused = UploadPart(1, quota_bytes, digest)
    say(_typed_part(org, "too-big.bin", refused))
    try:
        handler.handle(org_id, lambda _conn: Addressed(too_big, refused), intent, _nothing)
    except QuotaExceeded as error:
        say(f"catactl: error: {error.message}   (exit 5, nothing written)")

    say(_typed("usage", "show", org))
    with reading(engine) as conn:
        figures = resources.get_usage(conn, org_id)
    for name in ("used_bytes", "quota_bytes", "file_count", "part_count", "position"):
        say(f"  {name:<12} {figures[name]:,}")
    say(_typed("usage", "check", org))
    (finding,) = usage.check(engine, [org_id])
    verdict = "DRIFT" if finding.drifted else "exact"
    say(
        f"  {verdict}: events {finding.first_principles.used_bytes:,}, organization "
        f"{finding.as_row()['organization_bytes']:,}, view {finding.as_row()['projection_bytes']:,}"
        f", unpaired events {finding.unpaired_events}"
    )
    say(_typed("event", "verify", org))
    with reading(engine) as conn:
        holding, broken = event_log.verify(conn, org_id)
    say(f"  {holding:,} events prove themselves" if broken is None else f"  {broken.problem}")
    say(_typed("topology"))
    for line in topology.as_tree():
        say(f"  {line}")
    seconds = time.monotonic() - started
    say(f"# {commands:,} commands in {seconds:.1f} s")
    engine.dispose()
    if run.output.is_for_programs:
        summary = {"commands": commands, "seconds_millis": round(seconds * 1000)}
        run.output.show(figures | finding.as_row() | summary, Shape("org_id", ()))
    if finding.drifted or broken is not None:
        raise Findings("the demo found drift: this is a bug")


def _uploads(folder: Path) -> Iterator[Upload]:
    """Yield the regular files below the folder whose names can be stored, in order of name."""
    found = sorted(Path(root) / name for root, _, names in os.walk(folder) for name in names)
    number = 0
    for path in found:
        name = path.relative_to(folder).as_posix()
        try:
            check_file_name(name)
        except CatactlError:
            continue
        if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
            number += 1
            yield Upload(number, str(path), name)


class _Worker(NamedTuple):
    handler: Handler
    org_id: UUID
    org: str
    intent: Intent


_worker: _Worker


def _start_worker(url_text: str, org_id: UUID, org: str, intent: Intent) -> None:
    global _worker
    _worker = _Worker(Handler(open_engine(parse_url(url_text))), org_id, org, intent)


def _record(upload: Upload) -> list[str]:
    """Record one file with its parts' true sizes and digests; return the commands as typed."""
    handler, org_id, org, intent = _worker
    now = datetime.now(UTC)
    file_id = new_id(now)
    lines = []

    def do(line: str, command: CreateFile | UploadPart | CompleteFile | DeleteFile) -> None:
        lines.append(line)
        handler.handle(org_id, lambda _conn: Addressed(file_id, command), intent, _nothing)

    do(_typed("file", "create", org, upload.name), CreateFile(upload.name, now))
    with open(upload.path, "rb") as file:
        for number, content in enumerate(iter(lambda: file.read(_PART_BYTES), b""), start=1):
            if number == 1 and upload.number % _REPLACED_EACH == 0:
                broken_off = _part(number, content[: len(content) // 2])
                do(_typed_part(org, upload.name, broken_off), broken_off)
            part = _part(number, content)
            do(_typed_part(org, upload.name, part), part)
    do(_typed("file", "complete", org, upload.name), CompleteFile())
    if upload.number % _DELETED_EACH == 0:
        do(_typed("file", "delete", org, upload.name), DeleteFile())
    return lines


def _part(number: int, content: bytes) -> UploadPart:
    return UploadPart(number, len(content), hashlib.sha256(content).hexdigest())


def _typed_part(org: str, name: str, part: UploadPart) -> str:
    size, digest = str(part.size_bytes), part.sha256
    return _typed("part", "record", org, name, str(part.number), "--size", size, "--sha256", digest)


def _typed(*words: str) -> str:
    return f"$ catactl {shown(shlex.join(words))}"


def _nothing(_outcome: Outcome) -> dict[str, object]:
    return {}
