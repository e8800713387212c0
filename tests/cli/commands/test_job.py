"""Commands of job configurations."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import Cli

DOCUMENT: dict[str, Any] = {
    "image": "registry/job:1",
    "command": "run --all",
    "env": {"A": "1"},
    "cpu_millis": 500,
    "memory_bytes": 536_870_912,
    "timeout_seconds": 5_400,
    "schedule": "30 4 * * 1-5",
}
OPTIONS = [
    "--image=registry/job:1",
    "--command=run --all",
    "--env=A=1",
    "--cpu=0.5",
    "--memory=512MiB",
    "--timeout=90m",
    "--schedule=30 4 * * 1-5",
]


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.has_file()
    return cli


def test_options_a_file_and_standard_input_are_equivalent(acme: Cli, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(DOCUMENT))
    create = ["job", "create", "acme"]
    made = [
        acme.ok(*create, "a", *OPTIONS),
        acme.ok(*create, "b", "--from", path),
        acme.ok(*create, "c", "--from", "-", stdin=json.dumps(DOCUMENT)),
    ]
    for each in made:
        assert each.items() >= DOCUMENT.items()
        assert each["events"] == ["job_configuration.created"]
        shown = acme.ok("job", "show", "acme", each["name"])
        assert shown.items() <= each.items()
        assert acme.ok("job", "show", "acme", each["job_id"]) == shown
    assert [job["name"] for job in acme.ok("job", "list", "acme")] == ["a", "b", "c"]


def test_an_option_overrides_the_document(acme: Cli) -> None:
    made = acme.ok(
        *["job", "create", "acme", "a", "--from", "-", "--image", "y"], stdin='{"image": "x"}'
    )
    assert made["image"] == "y"


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{",
        '{"image": 5}',
        '{"image": null}',
        '{"imag": "x"}',
        '{"image": "x", "cpu_millis": true}',
        '{"image": "x", "cpu_millis": 1.5}',
        '{"image": "x", "cpu_millis": -1}',
        '{"image": "x", "memory_bytes": 9223372036854775808}',
        '{"image": "x", "env": {"A": 1}}',
        '{"image": "x", "env": {"1A": "x"}}',
        '{"image": "x", "inputs": "data.bin"}',
        '{"image": "x", "schedule": "whenever"}',
        '{"image": "x", "command": "a\\u0000"}',
        '{"command": "x"}',
        pytest.param(
            "[" * 100_000,
            id="nested too deep",
        ),
    ],
)
def test_invalid_documents_are_refused(document: str, sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    sqlite_cli.fails(2, "job", "create", "acme", "a", "--from", "-", stdin=document)
    assert sqlite_cli.ok("job", "list", "acme") == []


def test_a_document_with_half_a_character_is_refused(sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    document = '{"image": "x", "command": "\\ud800"}'
    sqlite_cli.fails(2, "job", "create", "acme", "a", "--from", "-", stdin=document)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--image", ""],
        ["--image", "a b"],
        ["--image", "x", "--env", "A"],
        ["--image", "x", "--env", "A=1", "--env", "A=2"],
        ["--image", "x", "--cpu", "0"],
        ["--image", "x", "--cpu", "many"],
        ["--image", "x", "--cpu", "0.0005"],
        ["--image", "x", "--memory", "0"],
        ["--image", "x", "--memory", "1G"],
        ["--image", "x", "--timeout", "soon"],
        ["--image", "x", "--timeout", "0"],
        ["--image", "x", "--schedule", "61 * * * *"],
        ["--from", "/no/such/file.json"],
    ],
)
def test_impossible_options_are_refused(options: list[str], sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    sqlite_cli.fails(2, "job", "create", "acme", "a", *options)


def test_a_job_that_exists_conflicts_unless_identical(acme: Cli) -> None:
    create = ["job", "create", "acme", "a"]
    first = acme.ok(*create, *OPTIONS, "--input", "data.bin")
    acme.fails(4, *create, *OPTIONS)
    again = acme.ok(*create, *OPTIONS, "--input", "data.bin", "--if-not-exists")
    assert again == first | {"events": []}
    acme.fails(4, *create, "--image", "other", "--if-not-exists")


def test_a_job_is_updated_disabled_enabled_and_deleted(acme: Cli) -> None:
    acme.ok("job", "create", "acme", "a", *OPTIONS)
    assert acme.ok("job", "update", "acme", "a", "--memory", "2GiB")["memory_bytes"] == 2**31
    cleared = acme.ok("job", "update", "acme", "a", "--from", "-", stdin='{"schedule": null}')
    assert cleared["schedule"] is None
    assert acme.ok("job", "update", "acme", "a", "--name", "b")["name"] == "b"
    assert acme.ok("job", "disable", "acme", "b")["status"] == "disabled"
    assert acme.ok("job", "disable", "acme", "b")["events"] == []
    assert acme.ok("job", "enable", "acme", "b")["status"] == "enabled"
    acme.fails(2, "job", "update", "acme", "b")
    assert acme.ok("job", "delete", "acme", "b", "--yes")["status"] == "deleted"
    assert acme.ok("job", "list", "acme") == []


def test_inputs_are_files_that_live(acme: Cli) -> None:
    create = ["job", "create", "acme", "a", "--image", "x", "--input"]
    assert acme.fails(3, *create, "data.bim")["hint"] == "did you mean 'data.bin'?"
    acme.ok("file", "delete", "acme", "data.bin")
    acme.fails(5, *create, "data.bin")
    error = acme.fails(3, "job", "show", "acme", "a")
    assert error["code"] == "not_found"
