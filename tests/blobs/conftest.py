"""Places for content: a test that asks for `place` runs on a directory and on a real S3 server."""

from pathlib import Path

import pytest

from catactl.blobs.store import BlobStore
from tests.blobs.support import Bucket, Folder, Place


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A directory that is not there yet, in a folder that is."""
    return Folder(tmp_path / "blobs")


@pytest.fixture
def bucket(s3_server: str, s3_url: str) -> Bucket:
    return Bucket(s3_server, s3_url)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    place: Place = request.getfixturevalue(request.param)
    return place


@pytest.fixture
def blobs(place: Place) -> BlobStore:
    return place.blobs
