"""Provide blob stores. A test with `raw_store` runs on a directory and on a real S3 server."""

from pathlib import Path

import pytest

from catactl.blobs.store import BlobStore
from tests.blobs.support import Bucket, Folder, RawStore


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a directory that does not exist, in a folder that does."""
    return Folder(tmp_path / "blobs")


@pytest.fixture
def bucket(s3_server: str, s3_url: str) -> Bucket:
    return Bucket(s3_server, s3_url)


@pytest.fixture(params=["folder", "bucket"])
def raw_store(request: pytest.FixtureRequest) -> RawStore:
    raw_store: RawStore = request.getfixturevalue(request.param)
    return raw_store


@pytest.fixture
def blobs(raw_store: RawStore) -> BlobStore:
    return raw_store.blobs
