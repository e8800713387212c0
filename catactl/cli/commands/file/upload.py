"""catactl file upload"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from typer import Argument, Option

from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONTENT, WRITES, OrgArgument
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.content import stream_source
from catactl.content.own_files import check_not_own, find_own_files
from catactl.content.paths import Found, FoundFile, SkippedPath, UnusablePath, find_files, totals
from catactl.content.source import Item
from catactl.content.stream_source import STANDARD_INPUT, StandardInput
from catactl.content.upload import upload_files
from catactl.content.upload_options import UploadedFile, UploadOptions
from catactl.errors import InvalidValue, PartialFailure
from catactl.results.files import UploadResult
from catactl.values.names import check_file_name
from catactl.values.sizes import format_size, parse_size


@command(WRITES, CONTENT, grows=True)
def upload(
    context: Context,
    org: OrgArgument,
    paths: Annotated[
        list[str],
        Argument(metavar="PATH…", help="Files, folders (with all files below them), or - (stdin)."),
    ],
    name: Annotated[
        str | None,
        Option(
            "--name", metavar="NAME", help="Name of the file; for a folder, a prefix of all names."
        ),
    ] = None,
    part_size: Annotated[
        str | None,
        Option(
            "--part-size",
            metavar="SIZE",
            help="Size of a part; for stdin, of the first parts. [default: 8MiB]",
        ),
    ] = None,
    workers: Annotated[
        int,
        Option(
            "--workers", metavar="N", min=1, max=64, help="Number of parts stored concurrently."
        ),
    ] = 4,
    follow_links: Annotated[
        bool, Option("--follow-links", help="Upload the targets of symbolic links.")
    ] = False,
    verify: Annotated[
        bool, Option("--verify", help="Read stored content again and repair it if it is damaged.")
    ] = False,
) -> UploadResult | Iterator[UploadResult]:
    """Upload files with their content. After an interruption, run the command again: it skips
    everything that is already stored.

    The name of a file is the last part of its path. In a folder, it is the path below that folder;
    --name adds a prefix. If a file cannot be uploaded, the others still are, and the exit code is
    7. See `catactl help uploads`.

    Example: catactl file upload acme reports/ --name reports
    """
    part_bytes = parse_size(part_size) if part_size is not None else None
    if part_bytes == 0:
        raise InvalidValue("--part-size must not be 0", "for example 8MiB")
    has_folder = any(
        os.path.isdir(path) and (follow_links or not os.path.islink(path)) for path in paths
    )
    is_single = len(paths) == 1 and not has_folder
    name = _check_name(paths, name, has_folder=has_folder)
    own = find_own_files(context.engine.url, context.blobs)
    if len(paths) == 1 and paths != [STANDARD_INPUT]:
        check_not_own(paths[0], own)
    options = UploadOptions(context.intent(org), not is_single, part_bytes, workers, verify)
    if is_single:
        org_id = context.organization_id(options.intent, is_read=False)
    else:
        org_id = context.claim_key(org, options.request(folder=name or ""))
    if not context.options.dry_run:
        context.keep_reserve()
    found = find_files(paths, name, follow_links=follow_links, own=own)
    items: Iterator[Item | UnusablePath] = _usable(context, found)
    count, size_bytes = 1, None
    if paths == [STANDARD_INPUT]:
        items = iter([StandardInput(name or "", stream_source.DESCRIPTOR)])
    elif not context.options.quiet:
        count, size_bytes = totals(paths, follow_links=follow_links, own=own)
    progress = Progress(context, "uploading", "byte", size_bytes, files=count)
    if not is_single:
        return _upload_several(context, org_id, items, options, progress)
    with progress:
        results = []
        for each in upload_files(context.handler, context.blobs, org_id, items, options, progress):
            if each.error is not None:
                raise each.error
            results.append(_result(each))
    # There are several if another process replaced the file by a folder.
    return results[0] if len(results) == 1 else iter(results)


def _check_name(paths: list[str], name: str | None, *, has_folder: bool) -> str | None:
    """Return the value of `--name` in its stored spelling."""
    if name is not None:
        name = check_file_name(name.rstrip("/") if has_folder else name)
        if len(paths) > 1:
            raise InvalidValue("--name needs a single path", "upload the paths one by one")
    if STANDARD_INPUT in paths and (len(paths) > 1 or name is None):
        raise InvalidValue("standard input needs --name and allows no other path", "--name NAME -")
    return name


def _usable(context: Context, found: Iterator[Found]) -> Iterator[FoundFile | UnusablePath]:
    for each in found:
        if isinstance(each, SkippedPath):
            context.note(f"skipped {each.path}: {each.reason}")
        else:
            yield each


def _upload_several(
    context: Context,
    org_id: UUID,
    items: Iterator[Item | UnusablePath],
    options: UploadOptions,
    progress: Progress,
) -> Iterator[UploadResult]:
    """Upload files; yield their results, and print errors and a summary. Raise `PartialFailure` at
    the end if a file failed.
    """
    started = time.monotonic()
    counts: Counter[str] = Counter()
    read_bytes = 0
    with progress:
        for each in upload_files(context.handler, context.blobs, org_id, items, options, progress):
            if each.error is not None:
                hint = f" ({each.error.hint})" if each.error.hint else ""
                context.failure(f"{each.path}: {each.error.message}{hint}")
            result = _result(each)
            counts[result["outcome"]] += 1
            read_bytes += result["stored_bytes"] + result["skipped_bytes"]
            yield result
    seconds = max(time.monotonic() - started, 1e-6)
    context.after_result(
        context.note,
        f"{counted(counts.total(), 'file')}, {format_size(read_bytes)} in {seconds:.1f} s "
        f"({format_size(int(read_bytes / seconds))}/s): {counts['uploaded']:,} uploaded, "
        f"{counts['resumed']:,} resumed, {counts['unchanged']:,} unchanged, "
        f"{counts['failed']:,} failed",
    )
    if counts["failed"]:
        raise PartialFailure(
            f"{counts['failed']:,} of {counted(counts.total(), 'file')} were not uploaded",
            "fix the errors above, then run it again: files that are complete are skipped",
        )


def _result(uploaded: UploadedFile) -> UploadResult:
    if uploaded.result is not None:
        return {**uploaded.result, "path": uploaded.path, "error": None}
    assert uploaded.error is not None, "an upload without a result has an error"
    return {
        "file_id": None,
        "name": uploaded.name,
        "outcome": "failed",
        "stored_bytes": 0,
        "skipped_bytes": 0,
        "path": uploaded.path,
        "error": exit_codes.as_fields(uploaded.error),
    }
