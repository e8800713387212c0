"""What a benchmark gives: a figure of ours beside its yardstick, and how both are run in turns."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import truediv
from statistics import median


@dataclass(frozen=True)
class Figure:
    """Ours beside a yardstick that ran alternately with it; the ratio is the median of the pairs'.

    `larger_is_better` says whether the ratio has to reach the target, or to stay within it. Without
    a target it is for information.
    """

    name: str
    unit: str
    ours: float
    yardstick: float
    ratio: float
    target: float | None
    larger_is_better: bool

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        reached = self.ratio >= self.target if self.larger_is_better else self.ratio <= self.target
        return "ok" if reached else "short"


def compare(
    name: str,
    unit: str,
    pairs: list[tuple[float, float]],
    target: float | None,
    *,
    larger_is_better: bool,
    by: Callable[[float, float], float] = truediv,
) -> Figure:
    """The figure that pairs of (ours, yardstick), measured one after the other, come to.

    Their ratio counts, or what else they are to be compared `by`.
    """
    return Figure(
        name,
        unit,
        ours=median(ours for ours, _ in pairs),
        yardstick=median(yardstick for _, yardstick in pairs),
        ratio=median(by(ours, yardstick) for ours, yardstick in pairs),
        target=target,
        larger_is_better=larger_is_better,
    )


def alternate(
    ours: Callable[[], float], yardstick: Callable[[], float], times: int
) -> list[tuple[float, float]]:
    """Measure both in turns; every second time the yardstick goes first, so drift cancels out."""
    pairs: list[tuple[float, float]] = []
    for turn in range(times):
        if turn % 2 == 0:
            first = ours()
            pairs.append((first, yardstick()))
        else:
            second = yardstick()
            pairs.append((ours(), second))
    return pairs
