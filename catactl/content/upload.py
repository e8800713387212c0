"""Upload files with their content."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from catactl.blobs.store import BlobStore
from catactl.content.meter import Meter
from catactl.content.paths import UnusablePath
from catactl.content.recorder import Recorder
from catactl.content.source import Item
from catactl.content.upload_options import UploadedFile, UploadOptions
from catactl.content.upload_queue import UploadQueue
from catactl.content.workers import workers
from catactl.handling.handler import Handler


def upload_files(
    handler: Handler,
    blobs: BlobStore,
    org_id: UUID,
    items: Iterable[Item | UnusablePath],
    options: UploadOptions,
    meter: Meter,
) -> Iterator[UploadedFile]:
    """Upload the items and yield the result of each, in order.

    If one item fails, the others are still uploaded. Its recorded parts stay in a file that
    is not complete, and the next upload continues with them. Raises errors that concern all items:
    an unreachable database or blob store, a full disk, a suspended organization.
    """
    with workers(options.workers) as pool:
        uploads = UploadQueue(Recorder(handler, blobs, org_id), options, meter, pool)
        try:
            yield from uploads.run(iter(items))
        finally:
            uploads.stop()
