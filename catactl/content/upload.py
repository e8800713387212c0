"""Uploading files: worker threads store parts, one thread records them.

A worker reads a part, hashes it while it is written to the blob store, and has it synced. Whatever
is ready when the recording thread comes round is recorded in one transaction: parts of a large
file, or some small files whole. A part that log and store have already is skipped, so an upload
that broke off is finished by running it again. The last transaction of a file completes it, if it
consists of exactly the parts that were read.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

from catactl.blobs.store import BlobStore, Chunk, Content, Measure, is_whole, measure
from catactl.content import part_ranges
from catactl.content.part_ranges import DEFAULT_PART_BYTES, Range
from catactl.content.recording import (
    PendingFile,
    Recorder,
    StoredPart,
    Swept,
    content_of,
    of_content,
    stored_part,
    swept_each_time,
)
from catactl.content.sources import OpenFile, Source, SourceError, Unusable
from catactl.content.workers import workers
from catactl.domain.parts import Part
from catactl.errors import (
    BadConfiguration,
    Busy,
    CatactlError,
    Forbidden,
    QuotaExceeded,
    Suspended,
    Unreachable,
)
from catactl.handling.handler import Intent
from catactl.store.idempotency import Result
from catactl.values.names import check_file_name

# Parts handed to workers at once, and files under way: what is done together is recorded together.
_PARTS_AHEAD = 64
_FILES_AHEAD = 64
_PATIENCE_SECONDS = 2.0  # with workers that are to stop, so that they clear up after themselves
_ATTEMPTS = 10  # in a row, to record what sweeps take again and again
# What is wrong with more than one file: no other would fare better.
_FATAL = (Unreachable, Busy, Forbidden, BadConfiguration, Suspended)


class Meter(Protocol):
    """Counts the bytes that are read. Threads call `advance`; `begin` names the next file."""

    def begin(self, name: str) -> None: ...

    def advance(self, size_bytes: int, /) -> None: ...


class Uploaded(NamedTuple):
    """What became of a source: the row of its file (see `PendingFile`), or why it failed."""

    path: str
    name: str
    row: Result | None
    error: CatactlError | None


@dataclass(frozen=True)
class Order:
    """How to upload. `intent` returns the intent for the file of a name; `verify` reads what is
    stored already again, and replaces what is damaged.
    """

    intent: Callable[[str], Intent]
    part_bytes: int | None = None
    workers: int = 1
    follow_links: bool = False
    verify: bool = False


class _Stopped(Exception):
    """Nobody waits for what is read any more."""


@dataclass(eq=False)
class _UnderWay:
    """A source under way; without a draft it failed before it had one."""

    path: str
    name: str
    below: str | None = None
    draft: PendingFile | None = None
    opened: OpenFile | None = None
    ranges: Iterator[Range] = field(default_factory=lambda: iter(()))
    is_read: bool = False
    in_flight: int = 0
    times_swept: int = 0
    error: CatactlError | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it is known what becomes of it."""
        return self.error is not None or (self.draft is not None and self.draft.row is not None)

    @property
    def is_over(self) -> bool:
        return self.is_settled and self.in_flight == 0

    @property
    def intent(self) -> Intent:
        assert self.draft is not None
        return self.draft.intent

    def close(self) -> None:
        if self.opened is not None:
            self.opened.close()
            self.opened = None

    def result(self) -> Uploaded:
        row = self.draft.row if self.draft is not None else None
        return Uploaded(self.path, self.name, row, self.error)


def upload_files(
    recorder: Recorder, sources: Iterable[Source | Unusable], order: Order, meter: Meter
) -> Iterator[Uploaded]:
    """Upload each source; yield what became of it, in order.

    One that fails does not keep the others; what was recorded of it stays, not completed, and is
    used when it is uploaded again. What would fail all of them is raised: database or blob store
    out of reach, a full disk, a suspended organization.
    """
    with workers(order.workers) as pool:
        uploading = _Uploading(recorder, order, meter, pool)
        try:
            yield from uploading.run(iter(sources))
        finally:
            uploading.stop()


class _Uploading:
    def __init__(
        self, recorder: Recorder, order: Order, meter: Meter, pool: ThreadPoolExecutor
    ) -> None:
        self._recorder = recorder
        self._blobs: BlobStore = recorder.blobs
        self._org_id = recorder.org_id
        self._order = order
        self._meter = meter
        self._stopped = threading.Event()
        self._pool = pool
        self._under_way: deque[_UnderWay] = deque()
        self._futures: dict[Future[StoredPart], _UnderWay] = {}

    def stop(self) -> None:
        self._stopped.set()
        for future in self._futures:
            future.cancel()
        wait(self._futures, timeout=_PATIENCE_SECONDS)
        for each in self._under_way:
            each.close()

    def run(self, sources: Iterator[Source | Unusable]) -> Iterator[Uploaded]:
        waiting: deque[_UnderWay] = deque()  # looked up, but not begun
        current: _UnderWay | None = None
        while True:
            while len(self._futures) < _PARTS_AHEAD and len(self._under_way) < _FILES_AHEAD:
                if current is not None and self._store_next(current):
                    continue
                waiting = waiting or self._look_up(islice(sources, _FILES_AHEAD))
                if not waiting:
                    current = None
                    break
                current = waiting.popleft()
                self._under_way.append(current)
                self._begin(current)
            if not self._under_way:
                return
            if self._futures:
                wait(self._futures, return_when=FIRST_COMPLETED)
            self._collect()
            self._record()
            while self._under_way and self._under_way[0].is_over:
                over = self._under_way.popleft()
                over.close()
                yield over.result()

    def _look_up(self, sources: Iterable[Source | Unusable]) -> deque[_UnderWay]:
        """See what is known of the sources' names, for some of them at once."""
        found: deque[_UnderWay] = deque()
        for source in sources:
            below = source.below if isinstance(source, Source) else None
            under_way = _UnderWay(source.path, source.name, below)
            found.append(under_way)
            try:
                if isinstance(source, Unusable):
                    raise source.error
                name = under_way.name = check_file_name(source.name)
                under_way.draft = PendingFile(name, self._order.intent(name))
            except CatactlError as error:
                under_way.error = error
        drafts = [under_way.draft for under_way in found if under_way.draft is not None]
        if drafts:
            self._recorder.look_up(drafts)
        return found

    def _begin(self, under_way: _UnderWay) -> None:
        """Open a source, ask whether there is room for it, and cut it into parts."""
        draft = under_way.draft
        if draft is None:
            return
        try:
            opened = under_way.opened = OpenFile(
                under_way.path, self._order.follow_links, under_way.below
            )
            self._meter.begin(draft.name)
            if draft.intent.idempotency_key is not None:
                self._read_before(draft, opened)
            if self._needs_asking(draft, opened.size_bytes):
                self._recorder.ask_for_room(draft, opened.size_bytes)
            if draft.row is None:
                under_way.ranges = iter(self._cut(draft, opened.size_bytes))
        except SourceError as error:
            under_way.error = error.error
        except _FATAL:
            raise
        except CatactlError as error:
            under_way.error = error

    def _read_before(self, draft: PendingFile, opened: OpenFile) -> None:
        """Read a file once before it is uploaded, because its key stands for its content as well.

        Keeps the digests of its parts, so that only this content can be recorded.
        """
        size_bytes = opened.size_bytes
        try:
            ranges = part_ranges.cut(draft.name, size_bytes, self._order.part_bytes, draft.known)
        except CatactlError:  # the upload raises it again, unless the key has a result
            ranges = [Range(1, 0, size_bytes)]
        whole = Measure()
        for number, offset, part_bytes in ranges:
            chunks = self._metered(opened.read(offset, part_bytes))
            draft.digests[number] = measure(whole.passing(chunks)).sha256
        opened.check_unchanged()
        self._meter.advance(-size_bytes)
        draft.intent = of_content(draft.intent, whole.content)

    def _cut(self, draft: PendingFile, size_bytes: int) -> list[Range]:
        """Return the parts in the order in which they are stored. Parts that grow come last."""
        ranges = part_ranges.cut(draft.name, size_bytes, self._order.part_bytes, draft.known)
        if draft.known is None:
            return ranges
        draft.shrinking = {
            part.number
            for part in draft.known.parts
            if ranges[part.number - 1].size_bytes < part.size_bytes
        }
        if draft.shrinking:
            ranges.sort(key=lambda part: draft.grows(part.number, part.size_bytes))
        return ranges

    def _needs_asking(self, draft: PendingFile, size_bytes: int) -> bool:
        """Whether to ask the rules first, so that nothing is stored in vain. What is small and
        seems to fit is asked about when it is recorded.
        """
        is_large = size_bytes > (self._order.part_bytes or DEFAULT_PART_BYTES)
        is_special = draft.intent.dry_run or draft.intent.idempotency_key is not None
        return is_large or is_special or not draft.seems_to_fit(size_bytes)

    # --- storing, in the workers ------------------------------------------------------------------

    def _store_next(self, under_way: _UnderWay) -> bool:
        """Have a worker store the next part of a file; return whether there was one."""
        part_range = None if under_way.is_settled else next(under_way.ranges, None)
        if part_range is None:
            under_way.is_read = True
            return False
        self._submit(under_way, part_range)
        return True

    def _submit(self, under_way: _UnderWay, part_range: Range) -> None:
        assert under_way.draft is not None
        assert under_way.opened is not None
        under_way.in_flight += 1
        try:
            future = self._pool.submit(self._store, under_way.draft, under_way.opened, part_range)
        except RuntimeError as error:
            raise Busy(f"no worker can be started: {error}", "try fewer: --workers N") from error
        self._futures[future] = under_way

    def _store(self, draft: PendingFile, opened: OpenFile, part_range: Range) -> StoredPart:
        """Store a part's content, unless log and store have it; the file must not change."""
        number, offset, size_bytes = part_range
        file = draft.known
        known = file.parts.get(number) if file is not None else None
        if draft.intent.dry_run or (known is not None and known.size_bytes == size_bytes):
            content = measure(self._metered(opened.read(offset, size_bytes)))
            part = _unchanged_part(draft, opened, number, content)
            if file is not None and file.completed and known and not known.has_same_content(part):
                raise SourceError(part_ranges.other_content(file))
            if draft.intent.dry_run:
                return StoredPart(part, skipped=part == known)
            if part == known and self._is_there(part):
                return StoredPart(part, skipped=True)
            self._meter.advance(-size_bytes)
        chunks = self._metered(opened.read(offset, size_bytes))
        content = self._blobs.put(self._org_id, chunks, self._recorder.generations)
        return StoredPart(_unchanged_part(draft, opened, number, content), skipped=False)

    def _is_there(self, part: Part) -> bool:
        content = content_of(part, self._recorder.generations)
        if self._blobs.missing(self._org_id, [content]):
            return False
        return not self._order.verify or is_whole(self._blobs, self._org_id, content)

    def _metered(self, chunks: Iterable[memoryview]) -> Iterator[Chunk]:
        for chunk in chunks:
            if self._stopped.is_set():
                raise _Stopped
            yield chunk
            self._meter.advance(len(chunk))

    # --- recording --------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Take over what the workers have stored."""
        for future in [future for future in self._futures if future.done()]:
            under_way = self._futures.pop(future)
            under_way.in_flight -= 1
            assert under_way.draft is not None
            try:
                under_way.draft.ready.append(future.result())
            except SourceError as error:
                under_way.error = error.error

    def _record(self) -> None:
        """Record what is ready in one transaction; if that is refused, file by file."""
        ready = []
        for each in self._under_way:
            if not each.is_settled and each.draft is not None:
                each.draft.is_whole = each.is_read and each.in_flight == 0
                if each.draft.is_recordable:
                    ready.append(each)
        alone = [each for each in ready if each.intent.idempotency_key is not None]
        together = [each for each in ready if each.intent.idempotency_key is None]
        if len(together) < 2 or not self._record_together(together):
            alone += together
        for each in alone:
            self._record_alone(each)

    def _record_together(self, ready: list[_UnderWay]) -> bool:
        try:
            self._recorder.record([each.draft for each in ready if each.draft is not None])
        except _FATAL:
            raise
        except (CatactlError, Swept):
            return False
        return True

    def _record_alone(self, under_way: _UnderWay) -> None:
        assert under_way.draft is not None
        try:
            self._recorder.record([under_way.draft])
            under_way.times_swept = 0
        except Swept as swept:
            under_way.times_swept += 1
            if under_way.times_swept < _ATTEMPTS:
                swept.clear_up(self._blobs, self._org_id)
                self._store_again(under_way, under_way.draft, swept.digests)
            else:
                under_way.error = swept_each_time()
        except _FATAL:
            raise
        except QuotaExceeded as error:
            under_way.error = self._over_quota(under_way, under_way.draft) or error
        except CatactlError as error:
            under_way.error = error

    def _over_quota(self, under_way: _UnderWay, draft: PendingFile) -> CatactlError | None:
        """Return the error that says by how much the file, not one part, is over the quota."""
        assert under_way.opened is not None
        try:
            self._recorder.look_up([draft])
            self._recorder.ask_for_room(draft, under_way.opened.size_bytes)
        except CatactlError as error:
            return error
        return None

    def _store_again(self, under_way: _UnderWay, draft: PendingFile, gone: set[str]) -> None:
        """A sweep came between storing and recording: store again what it took."""
        assert under_way.opened is not None
        swept = {stored.part.number for stored in draft.ready if stored.part.sha256 in gone}
        draft.ready = [stored for stored in draft.ready if stored.part.number not in swept]
        size_bytes = under_way.opened.size_bytes
        for part_range in part_ranges.cut(
            draft.name, size_bytes, self._order.part_bytes, draft.known
        ):
            if part_range.number in swept:
                self._submit(under_way, part_range)


def _unchanged_part(draft: PendingFile, opened: OpenFile, number: int, content: Content) -> Part:
    """Return the part that was read; raise `SourceError` if the file has changed since."""
    opened.check_unchanged()
    if draft.digests.get(number, content.sha256) != content.sha256:
        raise opened.changed()
    return stored_part(number, content)
