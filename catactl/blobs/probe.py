"""Test whether a blob store stores, returns and removes content."""

from uuid import uuid4

from catactl.blobs.directory import Directory
from catactl.blobs.store import BlobStore, is_undamaged
from catactl.errors import ContentDamaged, ContentUnreachable

_PROBE = b"written by catactl to see whether it can be read back\n"


def probe(blobs: BlobStore) -> None:
    """Write, read and remove a small blob of an organization that does not exist.

    Raises the errors of the store, `ContentDamaged` if the store returns other bytes, and
    `ContentUnreachable` if it does not remove the blob.
    """
    org_id = uuid4()
    try:
        content = blobs.put(org_id, [_PROBE])
        where = blobs.locate(org_id, content.address)
        try:
            if not is_undamaged(blobs, org_id, content):
                raise ContentDamaged(f"the store returned other bytes than were written: {where}")
        finally:
            blobs.delete(org_id, [content.address])
        if not blobs.missing(org_id, [content]):
            raise ContentUnreachable(f"the content still exists after its removal: {where}")
    finally:
        if isinstance(blobs, Directory):
            blobs.remove_empty_folders(org_id)
