"""The result of a benchmark: a figure of catactl and of its yardstick, measured alternately."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import truediv
from statistics import median


@dataclass(frozen=True)
class Figure:
    """A figure of catactl and one of a yardstick. The ratio is the median ratio of the pairs.

    If `larger_is_better`, the ratio must be at least the target, otherwise at most. A figure
    without a target is for information.
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
    """Return the figure of pairs (ours, yardstick). The function `by` compares the two of a pair,
    by default by their ratio.
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
    """Measure both alternately. In every second pair the yardstick is first, to cancel drift."""
    pairs: list[tuple[float, float]] = []
    for turn in range(times):
        if turn % 2 == 0:
            first = ours()
            pairs.append((first, yardstick()))
        else:
            second = yardstick()
            pairs.append((ours(), second))
    return pairs
