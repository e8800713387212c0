"""Threads that read and store content beside the one that records it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_PREFIX = "catactl-worker"


@contextmanager
def workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield that many workers. When all went well they are waited for; when not, what waits in line
    is dropped, and nobody waits for one that may hang in a request to a server.
    """
    pool = ThreadPoolExecutor(count, thread_name_prefix=_PREFIX)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def are_left() -> bool:
    """Whether a worker is still at it, which the end of the process would wait for."""
    return any(thread.name.startswith(_PREFIX) for thread in threading.enumerate())
