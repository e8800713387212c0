"""Upload files: worker threads store parts, one thread records them.

A worker reads a part and writes it to the blob store. The recording thread repeatedly records
everything that is ready in one transaction: parts of a large file, or several small files.
A part that both the log and the store have already is skipped, so running an interrupted upload
again completes it. The last transaction of a file completes the file, if the file consists of
exactly the parts that were read.

A stream can be read only once and in order. Its parts are stored by the recording thread.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

from catactl.content import part_ranges
from catactl.content.meter import Meter
from catactl.content.part_ranges import DEFAULT_PART_BYTES, UNLIMITED_BYTES, Range
from catactl.content.part_uploader import PartUploader
from catactl.content.paths import UnusablePath
from catactl.content.pending import PendingFile
from catactl.content.recorder import Recorder
from catactl.content.source import Item, Source, SourceError
from catactl.content.stored_parts import ContentGone, StoredPart
from catactl.content.upload_options import UploadedFile, UploadOptions
from catactl.errors import (
    BadConfiguration,
    Busy,
    CatactlError,
    Forbidden,
    QuotaExceeded,
    Suspended,
    Unreachable,
)
from catactl.results.files import FileUploaded
from catactl.values.names import check_file_name

_PARTS_AHEAD = 64  # parts that are being stored or are next
_FILES_AHEAD = 64  # files in progress; files that are stored together are recorded together
_STOP_TIMEOUT_SECONDS = 2.0  # for workers to remove their unfinished files
# Errors that concern every file: no other file could be uploaded.
_FATAL = (Unreachable, Busy, Forbidden, BadConfiguration, Suspended)


@dataclass(eq=False)
class _Upload:
    """The upload of one item. `source` is None until it is opened."""

    item: Item | UnusablePath
    pending: PendingFile
    source: Source | None = None
    ranges: Iterator[Range] = field(default_factory=lambda: iter(()))
    is_read: bool = False
    in_flight: int = 0
    error: CatactlError | None = None

    @property
    def is_settled(self) -> bool:
        """True once the result is known."""
        return self.error is not None or self.pending.result is not None

    @contextmanager
    def capture_error(self) -> Iterator[None]:
        """Keep an error that concerns this item alone."""
        try:
            yield
        except SourceError as error:
            self.error = error.error
        except _FATAL:
            raise
        except CatactlError as error:
            self.error = error

    def close(self) -> None:
        if self.source is not None:
            self.source.close()

    def result(self) -> UploadedFile:
        result = cast(FileUploaded | None, self.pending.result)
        return UploadedFile(self.item.path, self.pending.name, result, self.error)


class UploadQueue:
    def __init__(
        self, recorder: Recorder, options: UploadOptions, meter: Meter, pool: ThreadPoolExecutor
    ) -> None:
        self._recorder = recorder
        self._options = options
        self._meter = meter
        self._pool = pool
        self._parts = PartUploader(recorder, meter, verify=options.verify)
        self._waiting: deque[_Upload] = deque()  # looked up and not started
        self._started: deque[_Upload] = deque()
        self._current: _Upload | None = None  # the one whose parts are stored next
        self._futures: dict[Future[StoredPart], _Upload] = {}
        self._checked_bytes = 0

    def run(self, items: Iterator[Item | UnusablePath]) -> Iterator[UploadedFile]:
        while True:
            self._store_parts(items)
            if not self._started:
                return
            if self._futures:
                wait(self._futures, return_when=FIRST_COMPLETED)
            self._collect()
            self._record()
            while self._started and self._started[0].is_settled and not self._started[0].in_flight:
                upload = self._started.popleft()
                upload.close()
                yield upload.result()

    def stop(self) -> None:
        self._parts.stop()
        for future in self._futures:
            future.cancel()
        wait(self._futures, timeout=_STOP_TIMEOUT_SECONDS)
        for upload in self._started:
            upload.close()

    # --- starting ---------------------------------------------------------------------------------

    def _start_next(self, items: Iterator[Item | UnusablePath]) -> bool:
        """Start the next item. Return whether there was one."""
        if not self._waiting:
            self._waiting = self._look_up(islice(items, _FILES_AHEAD))
            if not self._waiting:
                return False
        upload = self._current = self._waiting.popleft()
        self._started.append(upload)
        if upload.error is None and not isinstance(upload.item, UnusablePath):
            with upload.capture_error():
                self._start(upload, upload.item)
        return True

    def _look_up(self, items: Iterable[Item | UnusablePath]) -> deque[_Upload]:
        """Check the names of some items, and look up their files in one transaction."""
        uploads: deque[_Upload] = deque()
        for item in items:
            upload = _Upload(item, PendingFile(name=item.name, intent=self._options.intent))
            uploads.append(upload)
            try:
                if isinstance(item, UnusablePath):
                    raise item.error
                name = check_file_name(item.name)
                upload.pending = PendingFile(name=name, intent=self._options.intent_for(name))
            except CatactlError as error:
                upload.error = error
        pending = [upload.pending for upload in uploads if upload.error is None]
        if pending:
            self._recorder.look_up(pending)
        return uploads

    def _start(self, upload: _Upload, item: Item) -> None:
        """Open the source, check the rules, and cut the content into parts."""
        pending = upload.pending
        source = upload.source = item.open()
        self._meter.begin(pending.name)
        intent = pending.intent
        if intent.idempotency_key is not None:
            intent = self._parts.check_key(pending, source, self._ranges_to_read(pending, source))
        if self._must_check(pending, source.size_bytes):
            size_bytes = source.size_bytes or 0
            self._recorder.check_rules(pending, size_bytes + self._checked_bytes, intent)
            if intent.dry_run:  # a dry run records nothing, so add up the sizes here
                self._checked_bytes += pending.growth_bytes(size_bytes)
        if pending.result is None:
            plan = source.plan(pending.name, self._options.part_bytes, pending.existing)
            upload.ranges, pending.shrinking = plan

    def _ranges_to_read(self, pending: PendingFile, source: Source) -> list[Range]:
        """Return the parts to read in order before the upload."""
        size_bytes = source.size_bytes
        if size_bytes is None:
            return [Range(1, 0, UNLIMITED_BYTES)]
        part_bytes = self._options.part_bytes
        try:
            return part_ranges.cut(pending.name, size_bytes, part_bytes, pending.existing)
        except CatactlError:  # the upload raises it again, unless the key has a stored result
            return [Range(1, 0, size_bytes)]

    def _must_check(self, pending: PendingFile, size_bytes: int | None) -> bool:
        """Return whether to check the rules before anything is stored. For a small file that seems
        to fit, recording it is the check.
        """
        if size_bytes is None or size_bytes > (self._options.part_bytes or DEFAULT_PART_BYTES):
            return True
        is_special = pending.intent.dry_run or pending.intent.idempotency_key is not None
        return is_special or not pending.seems_to_fit(size_bytes)

    # --- storing ----------------------------------------------------------------------------------

    def _store_parts(self, items: Iterator[Item | UnusablePath]) -> None:
        """Give parts to the workers until there are enough, or store one part of a stream."""
        while len(self._futures) < _PARTS_AHEAD and len(self._started) < _FILES_AHEAD:
            current = self._current
            if current is None:
                if not self._start_next(items):
                    return
            elif (part_range := _next_range(current)) is None:
                self._current = None
            elif self._store(current, part_range):
                return

    def _store(self, upload: _Upload, part_range: Range) -> bool:
        """Store a part of a stream, or let a worker store a part of a file. Return whether the part
        is stored, so that it can be recorded before the next one is read.
        """
        assert upload.source is not None
        if upload.source.size_bytes is None:
            with upload.capture_error():
                stored = self._parts.store(upload.pending, upload.source, part_range)
                upload.pending.ready.append(stored)
            return True
        upload.in_flight += 1
        try:
            future = self._pool.submit(self._parts.store, upload.pending, upload.source, part_range)
        except RuntimeError as error:
            raise Busy(f"cannot start a worker: {error}", "use fewer: --workers N") from error
        self._futures[future] = upload
        return False

    def _collect(self) -> None:
        """Take the parts that the workers have stored."""
        for future in [future for future in self._futures if future.done()]:
            upload = self._futures.pop(future)
            upload.in_flight -= 1
            try:
                upload.pending.ready.append(future.result())
            except SourceError as error:
                upload.error = error.error

    # --- recording --------------------------------------------------------------------------------

    def _record(self) -> None:
        """Record the ready parts of all uploads in one transaction. If that fails, record them
        upload by upload.
        """
        ready = []
        for upload in self._started:
            if not upload.is_settled:
                upload.pending.is_whole = upload.is_read and upload.in_flight == 0
                if upload.pending.is_recordable:
                    ready.append(upload)
        together = [each for each in ready if each.pending.intent.idempotency_key is None]
        if len(together) > 1 and self._record_together(together):
            ready = [each for each in ready if each.pending.intent.idempotency_key is not None]
        for upload in ready:
            self._record_alone(upload)

    def _record_together(self, uploads: list[_Upload]) -> bool:
        try:
            self._recorder.record([upload.pending for upload in uploads])
        except _FATAL:
            raise
        except (CatactlError, ContentGone):
            return False
        return True

    def _record_alone(self, upload: _Upload) -> None:
        assert upload.source is not None
        with upload.capture_error():
            try:
                self._parts.record(upload.pending, upload.source)
            except QuotaExceeded:
                # Check the rules for the whole file: the error of a part names another excess.
                pending, size_bytes = upload.pending, upload.source.size_bytes
                if size_bytes is not None:
                    self._recorder.look_up([pending])
                    self._recorder.check_rules(pending, size_bytes, pending.keyed_intent)
                raise


def _next_range(upload: _Upload) -> Range | None:
    """Return the next part of an upload; None if all parts are read or the upload has failed."""
    part_range = None
    if not upload.is_settled:
        with upload.capture_error():
            part_range = next(upload.ranges, None)
    upload.is_read = part_range is None
    return part_range
