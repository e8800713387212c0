"""Names may be typed in several Unicode forms; values may have lines and tabs."""

import codecs
import json
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from tests.cli.support import Cli
from tests.support import tampering

NFD, NFC = "Zu\u0308rich", "Z\u00fcrich"


@pytest.mark.parametrize(("first", "second"), [(NFD, NFC), (NFC, NFD)])
def test_all_forms_of_a_name_are_one_name(cli: Cli, first: str, second: str) -> None:
    org_id = cli.ok("org", "create", first)["org_id"]
    assert cli.ok("org", "show", second)["name"] == NFC
    cli.fails(4, "org", "create", second)
    assert cli.ok("org", "create", second, "--if-not-exists")["org_id"] == org_id
    for noun, options, flags in (("file", [], []), ("job", ["--image", "x"], ["--yes"])):
        create = [noun, "create", second]
        made = cli.ok(*create, first, *options)
        assert made["name"] == NFC
        assert cli.ok(noun, "show", first, second)[f"{noun}_id"] == made[f"{noun}_id"]
        cli.fails(4, *create, second, *options)
        assert cli.ok(*create, second, *options, "--if-not-exists")["events"] == []
        assert cli.ok(noun, "delete", first, second, *flags)["status"] == "deleted"
        assert cli.ok(noun, "show", first, second)["status"] == "deleted"
    cli.ok("user", "add", first, f"{first}@example.com", "--name", first)
    shown = cli.ok("user", "show", second, f"{second.upper()}@example.com")
    assert (shown["email"], shown["name"]) == (f"{NFC.lower()}@example.com", NFC)
    user = ["user", "add", first, f"{second}@example.com", "--name", second]
    cli.fails(4, *user)
    cli.ok(*user, "--if-not-exists")
    assert cli.ok("org", "delete", first, "--confirm", second)["status"] == "deleted"


def test_lines_of_a_batch_find_names_in_any_form(cli: Cli, tmp_path: Path) -> None:
    lines = [
        {"command": "org.create", "name": NFD},
        {"command": "file.create", "org": NFC, "name": NFD},
        {"command": "file.create", "org": NFD, "name": NFC},
        {"command": "file.create", "org": NFD, "name": NFC, "if_not_exists": True},
        {"command": "file.delete", "org": NFC, "file": NFD},
        {"command": "file.create", "org": NFC, "name": NFC},
        {"command": "org.delete", "org": NFC, "confirm": NFD},
    ]
    path = tmp_path / "lines.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    done = cli("apply", "--from", path)
    assert done.code == 7
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    codes = [row["error"]["code"] if row["status"] == "error" else None for row in rows]
    assert codes == [None, None, "already_exists", None, None, None, "not_empty"]


def test_a_name_that_was_stored_in_another_form_is_found_and_taken(
    cli: Cli, database_url: URL
) -> None:
    cli.has_file("acme", "x")
    cli.ok("job", "create", "acme", "y", "--image", "a")
    with tampering(database_url) as conn:
        for table in ("organizations", "organization_names", "files", "job_configurations"):
            conn.execute(text(f"UPDATE {table} SET name = :name"), {"name": NFD})
    for form in (NFC, NFD):
        org_id = cli.ok("org", "show", form)["org_id"]
        cli.fails(4, "org", "create", form)
        assert cli.ok("file", "show", org_id, form)["name"] == NFD
        cli.fails(4, "file", "create", org_id, form)
        assert cli.ok("job", "show", org_id, form)["job_id"]


def test_a_similar_name_is_suggested_whichever_form_is_typed(cli: Cli) -> None:
    cli.ok("org", "create", "Zürich-Süd")
    error = cli.fails(3, "org", "show", "Zu\u0308rich-Su\u0308")
    assert error["hint"] == "did you mean 'Zürich-Süd'?"


def test_files_are_uploaded_under_one_form_of_their_names(sqlite_acme: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / NFD).write_text("one")
    (row,) = sqlite_acme.ok("file", "upload", "acme", folder)
    assert row["name"] == f"sub/{NFC}"
    (row,) = sqlite_acme.ok("file", "upload", "acme", folder)
    assert row["outcome"] == "unchanged"
    (folder / "sub" / NFC).write_text("two")
    done = sqlite_acme("file", "upload", "acme", folder, "--json")
    assert done.code == 7
    unchanged, failed = done.json
    assert unchanged["outcome"] == "unchanged"
    assert "differs from 'Zu\\u0308rich' beside it" in failed["error"]["message"]
    back = tmp_path / "back"
    back.mkdir()
    sqlite_acme.ok("file", "download", "acme", "--all", "--to", back)
    assert [path.name for path in back.rglob("Z*")] == [NFC]


def test_a_name_is_shown_as_it_is_typed(sqlite_cli: Cli) -> None:
    for name in (
        "\U0001f469\u200d\U0001f4bb",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        NFC,
    ):
        sqlite_cli.ok("org", "create", name)
        assert f"name\t{name}\n" in sqlite_cli("org", "show", name).stdout


# --- values ---------------------------------------------------------------------------------------

_COMMAND = "a\n\tb \u202e"
_KEY = "-----BEGIN KEY-----\n\tAb+/=\r\n-----END KEY-----\n"


def test_a_value_may_have_lines_and_tabs(cli: Cli, tmp_path: Path) -> None:
    cli.ok("org", "create", "acme")
    fields = {"image": "x", "env": {"KEY": _KEY}}
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"command": _COMMAND, **fields}))
    create = ["job", "create", "acme"]
    cli.ok(*create, "a", "--image=x", f"--command={_COMMAND}", f"--env=KEY={_KEY}")
    cli.ok(*create, "b", "--from", path)
    line = {"command": "job.create", "org": "acme", "name": "c", "job_command": _COMMAND, **fields}
    path.write_text(json.dumps(line))
    assert cli("apply", "--from", path).code == 0
    for name in "abc":
        shown = cli.ok("job", "show", "acme", name)
        assert (shown["command"], shown["env"]) == (_COMMAND, {"KEY": _KEY})


@pytest.mark.parametrize(("format_", "count"), [("tsv", 14), ("table", 14), ("csv", 2)])
def test_a_value_of_several_lines_is_shown_in_one(
    sqlite_acme: Cli, format_: str, count: int
) -> None:
    command = ["--image=x", f"--command={_COMMAND}", f"--env=KEY={_KEY}"]
    sqlite_acme.ok("job", "create", "acme", "a", *command)
    shown = sqlite_acme("job", "show", "acme", "a", "-o", format_).stdout
    assert len(shown.splitlines()) == count
    assert r"a\n\tb \u202e" in shown
    assert r"\n\tAb+/=\r\n" in shown
    assert not {"\r", "\u202e"} & set(shown)
    for lines in (("job", "list", "acme"), ("event", "list", "acme", "--after", "1")):
        listed = sqlite_acme(*lines, "-o", "tsv").stdout
        assert len(listed.splitlines()) == 1
        assert not {"\r", "\u202e"} & set(listed)


@pytest.mark.parametrize("option", ["--command=a\udcff", "--env=A=\udcff", "--env=A\n=x"])
def test_a_value_that_cannot_be_stored_is_refused(sqlite_acme: Cli, option: str) -> None:
    sqlite_acme.fails(2, "job", "create", "acme", "a", "--image=x", option)


# --- text in files --------------------------------------------------------------------------------


def test_a_document_may_begin_with_a_byte_order_mark(sqlite_acme: Cli, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_bytes(codecs.BOM_UTF8 + b'{"image": "x"}\r\n')
    create = ["job", "create", "acme"]
    assert sqlite_acme.ok(*create, "a", "--from", path)["image"] == "x"
    made = sqlite_acme.ok(*create, "b", "--from", "-", stdin='\ufeff{"image": "y"}\r\n')
    assert made["image"] == "y"
    path.write_text('{"image": "x"}', encoding="utf-16")
    error = sqlite_acme.fails(2, *create, "c", "--from", path)
    assert error["message"] == f"{path} is encoded in UTF-16"


def test_a_configuration_may_begin_with_a_byte_order_mark(stranger: Cli, home: Path) -> None:
    (home / "config" / "catactl").mkdir(parents=True)
    config = home / "config" / "catactl" / "config.toml"
    secret = home / "url"
    secret.write_bytes(codecs.BOM_UTF8 + b"sqlite:///x.db\r\n")
    config.write_bytes(codecs.BOM_UTF8 + f'database_url_file = "{secret}"\r\n'.encode())
    shown = {row["name"]: row["value"] for row in stranger.ok("config", "show")}
    assert shown["database_url"] == "sqlite:///x.db"
    secret.write_text("sqlite:///x.db", encoding="utf-16")
    assert "encoded in UTF-16" in stranger.fails(78, "config", "show")["message"]
    config.write_text('actor = "a"', encoding="utf-16")
    error = stranger.fails(78, "config", "show")
    assert error["message"] == f"cannot read {config}: it is encoded in UTF-16"
    config.write_bytes(b'# a\r\nactor = "\xfc"\r\n')
    assert "not UTF-8: byte 0xfc in line 2" in stranger.fails(78, "config", "show")["message"]
