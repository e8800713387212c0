"""Start processes from a server that has imported everything and has no threads or connections.

Each process sends its result through a pipe of its own, because a killed process may leave a shared
queue locked.
"""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from typing import Any, NamedTuple

_PATIENCE_SECONDS = 120

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    [
        "catactl.store.sql.pipeline",
        "catactl.cli.commands.uploading",
        "catactl.content.download",
        "catactl.content.sweep",
        "tests.cli.support",
        "tests.workers",
    ]
)


class Started(NamedTuple):
    process: Any
    pipe: Pipe


def start(target: Callable[..., None], *arguments: Any) -> Started:
    """Start a process. Its last argument is the end of a pipe for its report."""
    mine, its = processes.Pipe(duplex=False)
    process = processes.Process(target=target, args=(*arguments, its))
    process.start()
    its.close()
    return Started(process, mine)


def receive(started: Started) -> Any:
    """Return the report of the process, and wait for its end."""
    process, pipe = started
    try:
        assert pipe.poll(_PATIENCE_SECONDS), "a process does not end"
        return pipe.recv()
    finally:
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()
        pipe.close()


def kill(started: Started) -> bool:
    """Kill the process at once. Return whether it was still running."""
    process, pipe = started
    process.kill()
    process.join()
    was_alive: bool = process.exitcode == -signal.SIGKILL
    process.close()
    pipe.close()
    return was_alive
