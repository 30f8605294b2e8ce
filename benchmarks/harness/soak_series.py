"""The series measured in a soak, and whether each has become level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from connectors.database.live_sink import WAL_BYTES_MAX

MEMORY_MAX_MB: Final = 1000.0
"""The same limit as `connectors.database.ownership.MEMORY_MAX`."""

Sample = Mapping[str, float]
"""The values of all series at one moment, and `at`, in seconds."""

Floats = npt.NDArray[np.float64]

LEVEL_SHARE: Final = 0.1
"""How far the peak of the last quarter may exceed that of the third in a level series. Peaks are
compared because most series rise for a while and then drop: at a merge, when a file is deleted, at
a checkpoint. A quarter has to be longer than such a cycle."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series: it `grows` by design, is bounded by `most`, or should be level."""

    name: str
    title: str
    unit: str
    grows: bool = False
    most: float | None = None


SERIES: Final = (
    Series("memory", "memory, the result's apart", "MB"),
    Series("blocks", "memory of the result", "MB", most=MEMORY_MAX_MB),
    Series("rows", "rows of state", "thousand"),
    Series("state", "state in memory", "MB"),
    Series("segments", "segment files", "MB"),
    Series("store", "recovery store", "MB"),
    Series("wal", "write-ahead log", "MB", most=1.1 * WAL_BYTES_MAX / 1e6),
    Series("result", "result file", "MB", grows=True),
    Series("read", "records read", "", grows=True),
)


@dataclass(frozen=True, slots=True)
class Curves:
    """All samples of a soak, in order."""

    samples: Sequence[Sample]

    def of(self, name: str) -> Floats:
        """Return one series, or `at`."""
        return np.array([sample[name] for sample in self.samples])

    def quarters(self, name: str) -> tuple[Floats, Floats]:
        """Return the values of the third and of the last quarter."""
        at, values = self.of("at"), self.of(name)
        is_last = at >= at[-1] * 0.75
        return values[(at >= at[-1] / 2) & ~is_last], values[is_last]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The second half of a series: its mean, and the peaks of its two quarters."""

    series: Series
    mean: float
    before: float
    peak: float

    @property
    def is_level(self) -> bool:
        """Return whether the series does not rise; it may fall."""
        return self.peak <= (1 + LEVEL_SHARE) * self.before

    @property
    def is_as_expected(self) -> bool:
        """Return whether the series is level, if it should be."""
        if self.series.most is not None:
            return max(self.before, self.peak) <= self.series.most
        return self.series.grows or self.is_level

    @property
    def word(self) -> str:
        """Return the verdict in words."""
        if self.series.most is not None:
            return "bounded" if self.is_as_expected else "beyond its bound"
        return "level" if self.is_level else "grows"

    def row(self) -> str:
        """Return a row of the table."""
        title = f"{self.series.title}, {self.series.unit}".removesuffix(", ")
        return (
            f"{title:<32}{self.mean:>11,.1f}{self.before:>11,.1f}{self.peak:>11,.1f}   {self.word}"
        )

    @staticmethod
    def header() -> str:
        """Return the header of the table."""
        names = ("mean", "3rd peak", "4th peak")
        return f"{'second half':<32}" + "".join(f"{name:>11}" for name in names)

    def figures(self) -> dict[str, Any]:
        """Return the numbers."""
        return {
            "mean": round(self.mean, 2),
            "peak_before": round(self.before, 2),
            "peak": round(self.peak, 2),
            "is": self.word,
        }


def verdicts(curves: Curves) -> list[Verdict]:
    """Judge every series."""
    return [_verdict(curves, series) for series in SERIES]


def _verdict(curves: Curves, series: Series) -> Verdict:
    third, last = curves.quarters(series.name)
    mean = float(np.concatenate([third, last]).mean())
    return Verdict(series, mean, float(third.max()), float(last.max()))
