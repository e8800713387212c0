"""Uploading as a command: what is found at the paths, progress, a result a file, a summary."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import Chunk, Content, measure
from catactl.cli.framework import exit_codes
from catactl.cli.framework.context import Context, key_suffix
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.content.own import find_own, refusal
from catactl.content.part import ask_for_room, record_part, while_there_is_room
from catactl.content.recording import Recorder, is_key_used
from catactl.content.sources import (
    PART_READER,
    OpenFile,
    Skipped,
    Source,
    SourceError,
    Unusable,
    find,
    totals,
)
from catactl.content.stream import STANDARD_INPUT, Stream, metered, upload_stream
from catactl.content.upload import Order, Uploaded, upload_files
from catactl.errors import InvalidValue, PartialFailure
from catactl.handling.handler import Intent, Outcome
from catactl.operations.registry import normal_name
from catactl.queries.resources import written
from catactl.results.shapes import UPLOADED
from catactl.store import name_lookup
from catactl.store.sql.urls import file_of
from catactl.values.names import check_file_name
from catactl.values.sizes import format_size

_STDIN = 0


def run_upload(
    run: Context,
    org: str,
    paths: list[str],
    name: str | None,
    part_bytes: int | None,
    workers: int,
    *,
    follow_links: bool,
    verify: bool,
) -> None:
    """Upload what the paths hold. A single file's failure is raised as it is; of several, as
    `PartialFailure`.
    """
    if part_bytes == 0:
        raise InvalidValue("--part-size is 0", "as in 8MiB")
    folders = [path for path in paths if _is_folder(path, follow_links=follow_links)]
    if name is not None:
        name = check_file_name(name.rstrip("/") if folders else name)
        if len(paths) > 1:
            raise InvalidValue("--name with several paths", "upload them one by one")
    if STANDARD_INPUT in paths and (len(paths) > 1 or name is None):
        raise InvalidValue("standard input is uploaded alone and by a name", "--name NAME -")

    is_single = len(paths) == 1 and not folders

    def intent(file_name: str) -> Intent:
        """Return the intent for one file; reading the file adds its content."""
        request = _request(name=file_name, verify=verify)
        # Each of several files has a key of its own, derived from the one that was given.
        suffix = "" if is_single else key_suffix(file_name)
        return run.intent(org, lambda: request, key_suffix=suffix)

    own = find_own(file_of(run.engine.url), run.blobs)
    if len(paths) == 1 and paths != [STANDARD_INPUT] and (refused := refusal(paths[0], own)):
        raise refused
    if is_single:
        org_id = run.organization_id(intent(name or ""), is_read=False)
    else:
        org_id = run.claim_key(org, _request(folder=name or "", verify=verify))
    if not run.common.dry_run:
        run.keep_reserve()
    recorder = Recorder(run.handler, run.engine, run.blobs, org_id)
    order = Order(intent, part_bytes, workers, follow_links, verify)
    started = time.monotonic()
    counts: Counter[str] = Counter()
    read_bytes = 0
    rows: list[dict[str, Any]] = []

    def results(progress: Progress) -> Iterator[dict[str, Any]]:
        nonlocal read_bytes
        sources = _usable(run, find(paths, name, follow_links=follow_links, own=own))
        for uploaded in upload_files(recorder, sources, order, progress):
            if uploaded.error is not None:
                if is_single:
                    raise uploaded.error
                hint = f" ({uploaded.error.hint})" if uploaded.error.hint else ""
                run.failure(f"{uploaded.path}: {uploaded.error.message}{hint}")
            row = _row(uploaded)
            counts[row["outcome"]] += 1
            read_bytes += row["stored_bytes"] + row["skipped_bytes"]
            yield row

    if paths == [STANDARD_INPUT]:
        assert name is not None
        with Progress(run, "uploading", "byte", files=1) as progress:
            row = upload_stream(recorder, Stream(_STDIN), name, order, progress)
        run.output.show(_row(Uploaded(STANDARD_INPUT, name, row, None)), UPLOADED)
        return
    count: int = 0
    size_bytes: int | None = None
    if not run.common.quiet:
        count, size_bytes = totals(paths, follow_links=follow_links, own=own)
    with Progress(run, "uploading", "byte", size_bytes, files=count) as progress:
        if not is_single:
            run.output.rows(results(progress), UPLOADED)
        else:
            rows = list(results(progress))
    if is_single and len(rows) == 1:
        run.output.show(rows[0], UPLOADED)
        return
    if is_single:  # it became a folder meanwhile
        run.output.rows(rows, UPLOADED)
    seconds = max(time.monotonic() - started, 1e-6)
    run.note(
        f"{counted(counts.total(), 'file')}, {format_size(read_bytes)} in {seconds:.1f} s "
        f"({format_size(int(read_bytes / seconds))}/s): {counts['uploaded']:,} uploaded, "
        f"{counts['resumed']:,} resumed, {counts['unchanged']:,} unchanged, "
        f"{counts['failed']:,} failed"
    )
    if counts["failed"]:
        raise PartialFailure(
            f"{counts['failed']:,} of {counted(counts.total(), 'file')} not uploaded",
            "mend what was said of each, then run it again: what is there is skipped",
        )


def _request(*, verify: bool, **names: str) -> dict[str, Any]:
    """Return the request under an idempotency key, without content. How files are found, read and
    cut into parts is not part of it.
    """
    request: dict[str, Any] = {"command": "file.upload", **names}
    return request | {"verify": True} if verify else request


def _is_folder(path: str, *, follow_links: bool) -> bool:
    return os.path.isdir(path) and (follow_links or not os.path.islink(path))


def _usable(
    run: Context, found: Iterator[Source | Unusable | Skipped]
) -> Iterator[Source | Unusable]:
    for each in found:
        if isinstance(each, Skipped):
            run.note(f"skipped {each.path}: {each.what}")
        else:
            yield each


def _row(uploaded: Uploaded) -> dict[str, Any]:
    path, name, row, error = uploaded
    if row is None:
        row = {"file_id": None, "name": name, "outcome": "failed"}
        row |= {"stored_bytes": 0, "skipped_bytes": 0}
    return row | {"path": path, "error": exit_codes.as_fields(error) if error is not None else None}


def run_part_upload(
    run: Context,
    org: str,
    file: str,
    number: int,
    path: str,
    present: Callable[[Outcome], dict[str, Any]],
) -> dict[str, Any]:
    """Upload one part from a path or standard input; return it with what was done."""
    request = {"command": "part.upload", "file": normal_name(file), "number": number}
    intent = run.intent(org, lambda: request)
    is_keyed = intent.idempotency_key is not None
    org_id = run.organization_id(intent, is_read=False)
    if not intent.dry_run:
        run.keep_reserve()
    if path != STANDARD_INPUT:
        refused = refusal(path, find_own(file_of(run.engine.url), run.blobs))
        if refused is not None:
            raise refused
    try:
        opened = None
        if path != STANDARD_INPUT:
            opened = OpenFile(path, follow_links=True, reader=PART_READER)
        size_bytes = opened.size_bytes if opened is not None else None
        stream = Stream(_STDIN)
        with Progress(run, "uploading", "byte", size_bytes, files=1) as progress:
            progress.begin(path)

            def read() -> Iterator[Chunk]:
                chunks = stream.read() if opened is None else opened.read(0, opened.size_bytes)
                return metered(chunks, progress)

            # Store nothing if the key was used, because standard input can be read only once.
            known: Content | None = None
            if is_key_used(run.engine, org_id, intent) or (is_keyed and opened is not None):
                known = measure(read())
                progress.advance(-known.size_bytes)

            def find_file(conn: Connection) -> UUID:
                return name_lookup.resolve_file(conn, org_id, file)

            def has_room(size_bytes: int) -> None:
                ask_for_room(run.handler, org_id, find_file, number, size_bytes, intent.unkeyed())

            def store(generations: Mapping[str, int]) -> Content:
                chunks = read() if opened is not None else while_there_is_room(read(), has_room)
                if intent.dry_run:
                    content = measure(chunks)
                else:
                    content = run.blobs.put(org_id, chunks, generations)
                if opened is not None:
                    opened.check_unchanged()
                    if known is not None and not content.has_bytes_of(known):
                        raise opened.changed()
                return content

            return record_part(
                run.handler,
                run.blobs,
                org_id,
                find_file,
                number,
                size_bytes,
                store,
                intent,
                lambda outcome: written(present(outcome), outcome),
                is_repeatable=opened is not None,
                known=known,
            )
    except SourceError as error:
        raise error.error from error
