"""Run a proxy between a client and PostgreSQL that breaks connections at chosen commits.

It reads the messages of both sides and forwards the client's in groups, each up to the message to
which the server responds. Source:
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from multiprocessing.connection import Connection as Pipe
from typing import Any, NamedTuple

from sqlalchemy import URL

from tests.processes import processes
from tests.support import server_address

_CANCEL, _SSL, _GSS = 80877102, 80877103, 80877104
# Parse, Bind, Describe, Execute, Close and copied data, to which the server does not respond yet.
_IS_CONTINUED = frozenset(b"PBDECd")


class Fault(Enum):
    """A fault of a group of messages that ends in COMMIT, or of the response."""

    CUT_MIDWAY = auto()  # half of the messages reach the server, then both connections break
    CUT_BEFORE_COMMIT = auto()  # everything but COMMIT reaches the server, then both break
    CUT_AFTER_COMMIT = auto()  # the server commits, then both break
    SILENCE_BEFORE_COMMIT = auto()  # nothing from COMMIT on reaches the server; both stay open
    SILENCE_AFTER_COMMIT = auto()  # the server commits, nothing reaches the client; both stay open


CUTS = (Fault.CUT_MIDWAY, Fault.CUT_BEFORE_COMMIT, Fault.CUT_AFTER_COMMIT)
SILENCES = (Fault.SILENCE_BEFORE_COMMIT, Fault.SILENCE_AFTER_COMMIT)


class Message(NamedTuple):
    kind: int
    body: bytes

    @property
    def raw(self) -> bytes:
        return bytes([self.kind]) + (len(self.body) + 4).to_bytes(4, "big") + self.body

    @property
    def commits(self) -> bool:
        """Return whether a client's message is COMMIT, as a simple query or to be prepared."""
        text = self.body.split(b"\0")[1 if self.kind == ord("P") else 0]
        return self.kind in b"PQ" and text.strip().upper() == b"COMMIT"

    @property
    def ends_a_transaction(self) -> bool:
        """Return whether a server's message is the response to COMMIT, or an error."""
        return self.kind == ord("E") or (self.kind == ord("C") and self.body == b"COMMIT\0")


class Proxy:
    """Controls a proxy in another process."""

    def __init__(self, port: int, pipe: Pipe) -> None:
        self.port = port
        self._pipe = pipe

    def url(self, url: URL) -> URL:
        """Return the URL of the server's database through the proxy."""
        query = {name: value for name, value in url.query.items() if name not in ("host", "port")}
        return url.set(host="127.0.0.1", port=self.port, query=query)

    def plan(self, *faults: Fault | None) -> None:
        """Plan faults for the next commits, in order. They replace all planned faults."""
        self._pipe.send(faults)
        self._pipe.recv()

    def met(self) -> list[Fault]:
        """Return the faults that commits met so far."""
        self._pipe.send(None)
        met: list[Fault] = self._pipe.recv()
        return met


@contextmanager
def proxied(url: URL) -> Iterator[Proxy]:
    """Start a proxy in front of the server of a URL; end it at the end of the block."""
    mine, its = processes.Pipe()
    process = processes.Process(target=_serve, args=(_address(url), its), daemon=True)
    process.start()
    its.close()
    try:
        yield Proxy(mine.recv(), mine)
    finally:
        process.kill()
        process.join()
        mine.close()


def _address(url: URL) -> dict[str, Any]:
    """Return the server's address, as keyword arguments for asyncio."""
    host, port = server_address(url)
    if host.startswith("/"):
        return {"path": f"{host}/.s.PGSQL.{port}"}
    return {"host": host, "port": port}


def _serve(address: dict[str, Any], pipe: Pipe) -> None:
    asyncio.run(_Server(address, pipe).run())


class _Server:
    def __init__(self, address: dict[str, Any], pipe: Pipe) -> None:
        self._address = address
        self._pipe = pipe
        self._planned = deque[Fault | None]()
        self._met: list[Fault] = []

    async def run(self) -> None:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._obey)
        self._pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    def _obey(self) -> None:
        try:
            faults: Sequence[Fault | None] | None = self._pipe.recv()
        except EOFError:
            raise SystemExit from None
        if faults is not None:
            self._planned = deque(faults)
        self._pipe.send(self._met)

    def next_fault(self) -> Fault | None:
        fault = self._planned.popleft() if self._planned else None
        if fault is not None:
            self._met.append(fault)
        return fault

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        with suppress(OSError, asyncio.IncompleteReadError):
            greeting = await _read_greeting(reader, writer)
            if "path" in self._address:
                server = await asyncio.open_unix_connection(**self._address)
            else:
                server = await asyncio.open_connection(**self._address)
            writers.append(server[1])
            server[1].write(greeting)
            session = _Session((reader, writer), server, self)
            directions = [
                asyncio.ensure_future(session.forward_requests()),
                asyncio.ensure_future(session.forward_answers()),
            ]
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            if session.is_silent:  # neither side is notified that the other one closed
                await asyncio.Event().wait()
            for direction in directions:
                direction.cancel()
        for each in writers:
            each.transport.abort()


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _read_greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return the first message, which has no type; refuse encryption."""
    while True:
        length = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(length, "big") - 4)
        if int.from_bytes(body[:4], "big") not in (_SSL, _GSS):
            return length + body
        writer.write(b"N")


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[Message]:
    while True:
        kind, *length = await reader.readexactly(5)
        yield Message(kind, await reader.readexactly(int.from_bytes(length, "big") - 4))


class _Session:
    def __init__(self, client: _Streams, server: _Streams, faults: _Server) -> None:
        self._client_reader, self._client_writer = client
        self._server_reader, self._server_writer = server
        self._faults = faults
        self._fault: Fault | None = None

    @property
    def is_silent(self) -> bool:
        return self._fault in SILENCES

    async def forward_requests(self) -> None:
        """Forward the client's messages until it leaves, or its fault breaks the connection."""
        group: list[Message] = []
        with suppress(OSError, asyncio.IncompleteReadError):
            async for message in _messages(self._client_reader):
                group.append(message)
                if message.kind in _IS_CONTINUED:
                    continue
                forwarded, group = self._pass(group), []
                self._server_writer.write(b"".join(each.raw for each in forwarded))
                await self._server_writer.drain()
                if self._fault in (Fault.CUT_MIDWAY, Fault.CUT_BEFORE_COMMIT):
                    return

    def _pass(self, group: list[Message]) -> list[Message]:
        """Return the part of a group of messages that reaches the server."""
        commit = next((n for n, each in enumerate(group) if each.commits), None)
        if self.is_silent:
            return []
        if commit is not None:
            self._fault = self._faults.next_fault()
        match self._fault:
            case Fault.CUT_MIDWAY:
                return group[: (commit or 0) // 2]
            case Fault.CUT_BEFORE_COMMIT | Fault.SILENCE_BEFORE_COMMIT:
                return group[:commit]
            case Fault.CUT_AFTER_COMMIT | Fault.SILENCE_AFTER_COMMIT | None:
                return group

    async def forward_answers(self) -> None:
        """Forward the server's messages until it closes, or until the fault drops the response."""
        with suppress(OSError, asyncio.IncompleteReadError):
            async for message in _messages(self._server_reader):
                if self._fault is Fault.CUT_AFTER_COMMIT and message.ends_a_transaction:
                    return
                if not self.is_silent:
                    self._client_writer.write(message.raw)
                    await self._client_writer.drain()
