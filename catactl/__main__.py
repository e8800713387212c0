"""Start the program. Handle signals before the large imports."""

import os
import signal
from types import FrameType


def main() -> None:
    """Run the command that the arguments name. A signal before or after the command ends the
    process at once, without a message.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # ignored after `&` in a script
        signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    from catactl.cli.main import main as run

    run()


def _leave(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
