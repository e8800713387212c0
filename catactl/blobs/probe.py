"""Whether a place keeps content, tried in earnest."""

from uuid import uuid4

from catactl.blobs.directory import Directory
from catactl.blobs.store import BlobStore, is_whole
from catactl.errors import ContentDamaged, ContentUnreachable

_PROBE = b"written by catactl to see whether it can be read back\n"


def probe(blobs: BlobStore) -> None:
    """Write, read back and remove a little content, below an organization that does not exist.

    Nothing is left behind. Raises what the store raises, `ContentDamaged` if other bytes come back.
    """
    org_id = uuid4()
    try:
        content = blobs.put(org_id, [_PROBE])
        where = blobs.locate(org_id, content.address)
        try:
            if not is_whole(blobs, org_id, content):
                raise ContentDamaged(f"what was written reads back otherwise: {where}")
        finally:
            blobs.delete(org_id, [content.address])
        if not blobs.missing(org_id, [content]):
            raise ContentUnreachable(f"what was removed is still there: {where}")
    finally:
        if isinstance(blobs, Directory):
            blobs.remove_empty_folders(org_id)
