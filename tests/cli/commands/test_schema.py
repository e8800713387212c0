"""`schema` describes all commands, their options and their results."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL

from catactl.cli.framework import command_tree
from catactl.cli.framework.command import declaration
from catactl.cli.framework.exit_codes import EXIT_CODES
from catactl.help.topics import topic_text
from catactl.operations.registry import OPERATIONS
from catactl.results.schema import describe_result
from tests.cli.support import Cli, leaves_of
from tests.support import BYTES_1, be_ahead, opened

_TYPES: dict[str, type] = {"string": str, "integer": int, "boolean": bool, "object": dict}


def _every_command() -> list[str]:
    return [
        " ".join(path)
        for first in (*command_tree.NOUNS, *command_tree.COMMANDS)
        for path in leaves_of(first)
    ]


def test_every_command_is_described_with_all_that_it_takes(stranger: Cli) -> None:
    document = stranger("schema").json
    described = {each["command"]: each for each in document["commands"]}
    assert sorted(described) == sorted(_every_command())
    for command, each in described.items():
        flags = [flag for option in each["options"] for flag in option["flags"]]
        for group in each["option_groups"]:
            flags += [flag for o in document["option_groups"][group] for flag in o["flags"]]
        text = stranger(*command.split(), "--help").stdout
        listed = re.findall(r"^  (-.*?)(?:  |$)", text[text.index("\nOptions") :], re.M)
        named = re.findall(r"(?<!\S)--?[a-z0-9-]+", " ".join(listed))
        assert sorted(flags) == sorted(named), command
        assert each["example"].startswith(f"catactl {command}")
        assert each["writes"] or "writes" not in each["option_groups"]
    create = described["user add"]
    assert [each["metavar"] for each in create["arguments"]] == ["ORG", "EMAIL"]
    role = next(each for each in create["options"] if each["name"] == "role")
    assert role["choices"] == ["owner", "admin", "member"]
    workers = next(o for o in described["file upload"]["options"] if o["name"] == "workers")
    assert (workers["type"], workers["default"], workers["minimum"]) == ("integer", 4, 1)


def test_the_lines_of_apply_are_described_with_their_arguments(stranger: Cli) -> None:
    lines = {each["command"]: each["arguments"] for each in stranger("schema").json["lines"]}
    assert lines.keys() == OPERATIONS.keys()
    assert lines["quota.set"] == [
        {"name": "size_bytes", "takes": "a whole number", "required": True}
    ]


def test_the_topic_has_all_exit_codes_and_their_meanings(stranger: Cli) -> None:
    meanings = {code: row.meaning for code, row in EXIT_CODES.items()}
    table = re.findall(r"^\| (\d+) \| ([^|]+?) \|", topic_text("exit-codes"), re.M)
    assert table == [(str(code), meaning) for code, meaning in meanings.items()]
    codes = stranger("schema").json["exit_codes"]
    assert {each["code"]: each["meaning"] for each in codes} == meanings


# --- results --------------------------------------------------------------------------------------


def _check(command: str, document: Any) -> None:
    result = describe_result(declaration(*command.split()).returned)
    kind = "array" if isinstance(document, list) else "object"
    assert kind in result["type"], command
    rows = document if isinstance(document, list) else [document]
    assert rows, f"{command} printed nothing to look at"
    known = {field["name"]: field for field in result["fields"]}
    always = {name for name, field in known.items() if field["always"]}
    for row in rows:
        assert always <= set(row) <= set(known), f"{command}: {sorted(row)}"
        _check_fields(command, [known[name] for name in row], row)


def _check_fields(command: str, fields: list[dict[str, Any]], row: dict[str, Any]) -> None:
    for field in fields:
        name = field["name"]
        value: Any = row[name]
        if field["type"] == "array":
            for each in value:
                is_right = type(each) is _TYPES[field["items"]]
                assert is_right, f"{command}: {name}"
                if "fields" in field:
                    assert set(each) == {inner["name"] for inner in field["fields"]}
                    _check_fields(command, field["fields"], each)
        elif value is None:
            assert field["nullable"], f"{command}: {name} is null"
        else:
            is_right = type(value) is _TYPES[field["type"]]
            assert is_right, f"{command}: {name} is {value!r}"
            if field.get("format") == "uuid":
                UUID(value)
            if field.get("format") == "date-time":
                assert datetime.fromisoformat(value).tzinfo is not None


def _commands(folder: Path) -> list[str]:
    """A command line for each command, in an order in which all of them work."""
    (folder / "small").write_text("small")
    (folder / "lines").write_text('{"command": "org.create", "name": "third"}\nno command\n')
    return f"""
        db upgrade
        db current
        db check
        db grants app --database-url postgresql://owner@127.0.0.1/none
        config show
        config validate
        config path
        org create acme --quota 1GB
        org create other
        event correct-clock ahead --yes
        org list
        org show acme
        org rename other another
        org suspend another
        org resume another
        org delete another --confirm another
        quota set acme 2GB
        quota list
        quota clear acme
        user add acme ada@example.com
        user list acme
        user show acme ada@example.com
        user update acme ada@example.com --name Ada
        user disable acme ada@example.com
        user enable acme ada@example.com
        user remove acme ada@example.com --yes
        file create acme data.bin
        part record acme data.bin 1 --size 5 --sha256 {BYTES_1}
        part upload acme data.bin 2 {folder}/small
        part list acme data.bin
        file complete acme data.bin
        file upload acme {folder}/small
        file upload acme {folder}/small {folder}/missing
        file upload acme {folder}/small --name dry --dry-run
        file list acme
        file show acme data.bin
        file download acme small --to {folder}/copy
        file download acme small data.bin --to {folder}
        file verify acme small
        job create acme nightly --image x --input small
        job list acme
        job show acme nightly
        job update acme nightly --memory 1GiB
        job disable acme nightly
        job enable acme nightly
        job delete acme nightly --yes
        file delete acme small
        file restore acme small
        blob verify
        blob gc --yes
        usage show acme
        usage show
        usage show --as-of now
        usage top
        usage explain acme
        usage export --format cloudevents
        usage history acme
        usage report
        usage check
        usage recompute --dry-run
        event list acme
        event show acme 1
        event trace acme 1
        event verify
        projection list
        projection check
        projection rebuild
        apply --from {folder}/lines
        doctor
        topology
        completion bash
        help
        schema
        version
    """.strip().splitlines()


def test_commands_print_the_fields_that_are_declared(
    sqlite_cli: Cli, sqlite_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_cli.ok("org", "create", "ahead")
    with opened(sqlite_url) as engine:
        be_ahead(engine, "ahead")
    seen = set()
    for line in _commands(tmp_path):
        words = line.split()
        command = words[0] if words[0] in command_tree.COMMANDS else " ".join(words[:2])
        result = sqlite_cli(*words, "--json")
        assert result.code in {0, 6, 7}, (line, result)
        _check(command, result.json)
        seen.add(command)
    assert seen == set(_every_command()) - {"demo"}, "these are looked at nowhere"


def test_the_fields_of_findings_are_declared(sqlite_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    sqlite_cli.ok("org", "create", "acme")
    sqlite_cli.ok("file", "upload", "acme", tmp_path / "file")
    for path in (tmp_path / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    for command in ("file verify", "blob verify"):
        result = sqlite_cli(*command.split(), *(["acme"] * (command == "file verify")), "--json")
        assert result.code == 6
        _check(command, result.json)
        assert result.json["problems"]
