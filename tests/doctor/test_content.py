"""Examinations of the blob store."""

from pathlib import Path

from tests.cli.support import Cli
from tests.doctor.support import Examined


def test_a_blob_store_that_cannot_be_written_is_a_problem(cli: Cli, blob_folder: Path) -> None:
    blob_folder.touch()
    examined = Examined(cli)
    assert "Not a directory" in examined["content"]["message"]
    assert "catactl config show" in examined["content"]["hint"]


def test_a_blob_store_in_a_missing_folder_is_a_problem(sqlite_cli: Cli) -> None:
    examined = Examined(sqlite_cli, "--blob-url", "file:///no/such/folder/blobs")
    assert "the folder /no/such/folder does not exist" in examined["content"]["message"]


def test_a_blob_store_of_an_unknown_kind_is_a_problem_of_the_content_only(sqlite_cli: Cli) -> None:
    examined = Examined(sqlite_cli, "--blob-url", "ftp://host/blobs")
    assert examined.with_status("problem") == {"content"}
    assert "for the database in" in examined["disk"]["message"]


def test_a_blob_store_that_everybody_can_write_to_is_reported(
    sqlite_cli: Cli, blob_folder: Path
) -> None:
    blob_folder.mkdir()
    blob_folder.chmod(0o777)
    assert Examined(sqlite_cli)["content"]["hint"] == f"chmod o-w {blob_folder}"
