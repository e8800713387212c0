"""Where the program starts. Signals are answered before anything large is imported."""

import os
import signal
from types import FrameType


def main() -> None:
    """Run the command that the arguments name. One that is interrupted while the program is still
    being loaded, or when it has already done its work, ends at once and without a word.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as nohup and `&` leave it
        signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    from catactl.cli.main import main as run

    run()


def _leave(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
