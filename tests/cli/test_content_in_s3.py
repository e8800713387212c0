"""Commands with content in an object store, on a server that speaks S3."""

from pathlib import Path

import pytest

from tests.cli.support import Cli


@pytest.fixture
def acme_in_s3(acme: Cli, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("CATACTL_BLOB_URL", s3_url)
    return acme


def test_content_is_uploaded_downloaded_and_swept(acme_in_s3: Cli, tmp_path: Path) -> None:
    acme = acme_in_s3
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 40)
    upload = ("file", "upload", "acme", source, "--name", "data.bin", "--part-size", "4KiB")
    assert acme.ok(*upload)["part_count"] == 3
    assert acme.ok(*upload)["outcome"] == "unchanged"
    acme.ok("file", "download", "acme", "data.bin", "--to", target)
    assert target.read_bytes() == source.read_bytes()
    assert acme.ok("file", "verify", "acme")["blobs"] == 3
    assert acme.ok("blob", "verify", "--older-than", "0")["orphaned"] == 0
    acme.ok("file", "delete", "acme", "data.bin")
    swept = acme.ok("blob", "gc", "--older-than", "0", "--yes")
    assert (swept["given_up_files"], swept["removed_blobs"]) == (1, 2)  # two parts are the same
    acme.fails(5, "file", "restore", "acme", "data.bin")
    acme.ok("usage", "check")
