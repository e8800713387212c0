"""Passwords appear in no result, error, log line or trace, however they are written."""

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import URL

from tests.cli.support import Cli, Result, run_process

_PASSWORD = "s3cr3t-Pa55/w0rd%40"
_PIECES = ("s3cr3t", "Pa55", "w0rd")
_ENCODED = quote(_PASSWORD, safe="")
_HOST = "127.0.0.1:1"  # a port without a server
_URLS = {
    "encoded": f"postgresql://admin:{_ENCODED}@{_HOST}/catacloud",
    "not encoded": f"postgresql://admin:{_PASSWORD}@{_HOST}/catacloud",
    "with an @": f"postgresql://admin:s3cr3t@Pa55@w0rd@{_HOST}/catacloud",
    "with an @ and a slash": f"postgresql://admin:s3cr3t@Pa55/w0rd@{_HOST}/catacloud",
    "with colons": f"postgresql://admin:s3cr3t:Pa55:/w0rd@{_HOST}/catacloud",
    "with a question mark": f"postgresql://admin:s3cr3t?Pa55@{_HOST}/catacloud",
    "with spaces": f"postgresql://admin:s3cr3t Pa55 w0rd@{_HOST}/catacloud",
    "without a user": f"postgres://:{_PASSWORD}@{_HOST}/catacloud",
    "as a parameter": f"postgresql://{_HOST}/catacloud?user=admin&password={_ENCODED}",
    "of a key": f"postgresql://admin@{_HOST}/catacloud?sslpassword={_ENCODED}",
    "of another database": f"mysql://admin:{_PASSWORD}@{_HOST}/catacloud",
    "beside a bad port": f"postgresql://admin:{_ENCODED}@127.0.0.1:notaport/catacloud",
    "with a slash too few": f"postgresql:/admin:{_ENCODED}@",
    "of no URL": f"host=127.0.0.1 password={_PASSWORD}",
    "without a scheme": f"admin:{_PASSWORD}@{_HOST}/catacloud",
}
_COMMANDS = (
    ("org", "list"),
    ("db", "upgrade"),
    ("config", "show"),
    ("config", "validate"),
)
_WAYS = ((), ("--json",), ("-v",), ("-v", "--log-format=json", "--json"))


def _assert_hidden(result: Result) -> None:
    printed = result.stdout + result.stderr
    assert [piece for piece in _PIECES if piece in printed] == [], printed


@pytest.mark.parametrize("url", _URLS.values(), ids=_URLS)
def test_no_password_is_printed(url: str, stranger: Cli, home: Path) -> None:
    config = home / "config" / "catactl" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'database_url = "{url}"\nblob_url = "s3://key:{_ENCODED}@bucket"\n')
    for command in _COMMANDS:
        for way in _WAYS:
            result = stranger(*command, *way)
            assert result.code in ({0} if command == ("config", "show") else {69, 78})
            _assert_hidden(result)
    if "password=" in url or ":/" in url:  # else it is like any other argument
        _assert_hidden(stranger("org", "list", url))
        _assert_hidden(stranger("org", "list", "--database-url-file", url))
        _assert_hidden(stranger("org", "list", "--profile", url))


def test_the_hint_for_an_unencoded_at_sign_is_its_encoding(stranger: Cli) -> None:
    url = _URLS["with an @ and a slash"]
    assert "%40" in stranger.fails(78, "org", "list", "--database-url", url)["hint"]


def test_an_accepted_password_is_printed_nowhere(
    home: Path, postgresql_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql_url.set(password=_PASSWORD).render_as_string(hide_password=False)
    monkeypatch.setenv("CATACTL_DATABASE_URL", url)
    cli = Cli()
    created = cli("org", "create", "acme", "-v")
    assert (created.code, "***@" in created.stderr) == (0, True)
    _assert_hidden(created)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    breaking = f"could not connect to {url} (host=db password='{_PASSWORD}')"

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError(breaking)

    monkeypatch.setattr("catactl.cli.commands.org.list.list_organizations", breaks)
    _assert_hidden(cli("org", "list", "-v"))
    (trace,) = tmp_path.glob("catactl-*.trace")
    text = trace.read_text()
    assert "RuntimeError: could not connect to postgresql" in text
    assert [piece for piece in _PIECES if piece in text] == []


@pytest.fixture
def refusing_server() -> Iterator[int]:
    """Return the port of a server that speaks PostgreSQL's protocol and refuses every password."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while True:
                    (size,) = struct.unpack("!i", client.recv(4, socket.MSG_WAITALL))
                    message = client.recv(size - 4, socket.MSG_WAITALL)
                    if message[:4] != struct.pack("!i", 80877103):  # not the request for TLS
                        break
                    client.sendall(b"N")
                client.sendall(b"R" + struct.pack("!ii", 8, 3))  # a password in clear
                client.recv(1024)
                fields = b'SFATAL\0C28P01\0Mpassword authentication failed for user "admin"\0\0'
                client.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_refused_password_is_printed_nowhere(stranger: Cli, refusing_server: int) -> None:
    url = f"postgresql://admin:{_ENCODED}@127.0.0.1:{refusing_server}/catacloud?gssencmode=disable"
    for way in _WAYS:
        result = stranger("org", "list", "--database-url", url, *way)
        assert result.code == 77
        assert "password authentication failed" in result.stderr
        _assert_hidden(result)


def test_a_separate_process_prints_no_password_either(stranger: Cli) -> None:
    result = run_process("org", "list", "--database-url", _URLS["encoded"], "--verbose")
    assert result.code == 69
    _assert_hidden(result)
