"""The blob store that a URL names, and invalid URLs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from catactl.blobs.opening import open_blobs, url_beside
from catactl.errors import BadConfiguration
from tests.blobs.support import NOWHERE, ORG
from tests.support import ROOT


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings of vendors from the environment."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)


def _root_of(url: str) -> str:
    where = open_blobs(url).locate(ORG, NOWHERE)
    end = f"/{ORG}/00/{NOWHERE}"
    assert where.endswith(end)
    return where.removesuffix(end)


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("file:///srv/blobs", "/srv/blobs"),
        ("file:///srv/blobs/", "/srv/blobs"),
        ("file:/srv/blobs", "/srv/blobs"),
        ("FILE:///srv/Blobs", "/srv/Blobs"),
        ("file://localhost/srv/blobs", "/srv/blobs"),
        ("file:///srv/my%20blobs", "/srv/my blobs"),
        ("file:///srv/my blobs", "/srv/my blobs"),
        ("file:///srv/100%25", "/srv/100%"),
        ("file:///srv/a%23b%3Fc", "/srv/a#b?c"),
        ("file:///srv/a+b", "/srv/a+b"),
        ("file:///srv/%C3%BC", "/srv/ü"),
        ("file:///srv/ü", "/srv/ü"),
    ],
)
def test_a_file_url_names_a_directory(url: str, root: str) -> None:
    assert _root_of(url) == root


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "s3://bucket/a/b",
        "gs://bucket/prefix",
        "az://container/prefix",
        "abfs://container/prefix",
        "abfss://container@account.dfs.core.windows.net/prefix",
    ],
)
def test_a_bucket_url_names_a_bucket(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    assert _root_of(url) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "unknown scheme"),
        ("blobs", "unknown scheme"),
        ("./blobs", "unknown scheme"),
        ("/srv/blobs", "unknown scheme"),
        ("~/blobs", "unknown scheme"),
        ("http://example.com/blobs", "unknown scheme"),
        ("memory:///blobs", "unknown scheme"),
        ("sqlite:///catactl.db", "unknown scheme"),
        ("C:\\blobs", "unknown scheme"),
        ("s4://bucket", "unknown scheme"),
        ("file:", "does not name an absolute path"),
        ("file://", "does not name an absolute path"),
        ("file:blobs", "does not name an absolute path"),
        ("file:./blobs", "does not name an absolute path"),
        ("file://blobs", "does not name an absolute path"),
        ("file://host/", "does not name an absolute path"),
        ("file://srv/blobs", "does not name an absolute path"),
        ("file://127.0.0.1/srv/blobs", "does not name an absolute path"),
        ("file:///srv/%00/blobs", "does not name an absolute path"),
        ("s3:", "does not name a bucket"),
        ("s3:bucket/prefix", "does not name a bucket"),
        ("s3://", "does not name a bucket"),
        ("s3:///prefix", "does not name a bucket"),
        ("gs:///prefix", "does not name a bucket"),
        ("s3://bucket//prefix", "empty path segment"),
        ("az://container/prefix", "Account must be specified"),
        ("file://[/srv/blobs", "is not valid"),
        ("s3://[::1", "is not valid"),
        pytest.param("s3://my bucket/prefix", "my bucket"),
    ],
)
def test_an_invalid_url_is_a_bad_configuration(url: str, why: str) -> None:
    with pytest.raises(BadConfiguration, match=why) as caught:
        open_blobs(url)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("url", ["file:///srv/blobs#1", "file:///srv/blobs?1", "s3://b/p?versions"])
def test_a_url_with_a_query_or_a_fragment_is_a_bad_configuration(url: str) -> None:
    with pytest.raises(BadConfiguration):
        open_blobs(url)


def test_the_hint_for_an_invalid_url_has_examples() -> None:
    for url in ("", "file:", "s3:", "file://["):
        with pytest.raises(BadConfiguration) as caught:
            open_blobs(url)
        assert caught.value.hint is not None
        assert "file:///" in caught.value.hint
        assert "s3://" in caught.value.hint


def test_opening_a_store_creates_nothing(tmp_path: Path) -> None:
    open_blobs((tmp_path / "blobs").as_uri())
    assert list(tmp_path.iterdir()) == []


def test_opening_a_directory_does_not_import_obstore() -> None:
    program = (
        "import sys; from catactl.blobs.opening import open_blobs; open_blobs('file:///srv');"
        "assert not {'obstore', 'catactl.blobs.object_store'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=300)


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "two words",
        "100%",
        "a%20b",
        "a#b",
        "a?b",
        "ü",
        "new\nline",
    ],
)
def test_by_default_content_is_beside_the_database_in_a_folder_of_any_name(
    name: str,
) -> None:
    assert _root_of(url_beside(f"/srv/{name}/catactl.db")) == f"/srv/{name}/blobs"


def test_by_default_content_is_beside_the_database_in_a_folder_whose_name_is_not_utf_8() -> None:
    root = _root_of(url_beside(os.fsdecode(b"/srv/\xff/catactl.db")))
    assert os.fsencode(root) == b"/srv/\xff/blobs"


def test_the_default_url_of_a_relative_path_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _root_of(url_beside("catactl.db")) == str(tmp_path / "blobs")
    assert _root_of(url_beside("here/catactl.db")) == str(tmp_path / "here" / "blobs")
