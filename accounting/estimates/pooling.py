"""How much the jobs of a federation need for a unit of work: figures of few jobs lean on those of many.

Pure. On a log scale, the cost of a job for each unit of its size is

    y = mean + back end + workload + (workload on this back end) + (back end lately)
        + (slope + slope of the back end) * log size + noise

where the slopes are for prices with tiers, free units or fees, and everything but the mean is drawn towards nothing by
as much as its own jobs say little (random effects, fitted by variational expectation maximisation with their
variances). docs/estimates.md says it in words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

ROUNDS = 40
SMALLEST = 1e-8
PRIOR = 0.1
"""Variance that an effect has before anything is known of it, worth one group."""
SLOPE = 0.15
"""Standard deviation of how far cost may be from growing in proportion to size."""
HALF_LIFE_DAYS = 45.0
CHANGE = 0.02
"""The same for how a back end works lately: most days are like the days before."""
LATELY_JOBS = (6, 20)
"""The newest so many jobs of a back end tell how it works lately: few react at once, more are surer."""
FAR = 3.0
"""Standard deviations beyond which a job counts for less (Huber)."""
NOISE_JOBS = 10.0
"""How many jobs of its own a workload needs until its own noise counts as much as everybody's."""
Z90 = 1.2815515655446004
"""The 90 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Row:
    """A job that finished: `log_cost` for one unit of size, `log_size`, and how old it is in days."""

    source: int
    label: str
    log_cost: float
    log_size: float
    age_days: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The logarithm of a new job's cost is about normal with `mean` and `spread`; a t distribution's tails are in the
    spread. `jobs` are those with the same label on the same back end."""

    mean: float
    spread: float
    jobs: int


@dataclass(slots=True)
class _Effect:
    """One kind of group: to which each row belongs (-1: none), what the effect is multiplied `by` in each row, and what
    is known of the groups."""

    group: Whole
    count: int
    by: Floats
    prior: float = PRIOR
    variance: float = PRIOR
    value: Floats = None  # type: ignore[assignment]  # filled below
    doubt: Floats = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.value = np.zeros(self.count + 1)  # the last is that of rows without a group
        self.doubt = np.zeros(self.count + 1)

    def of_rows(self) -> Floats:
        return self.value[self.group] * self.by

    def doubt_of_rows(self) -> Floats:
        return self.doubt[self.group] * self.by**2

    def update(self, residual: Floats, weight: Floats, noise: float) -> None:
        """Shrinks each group's mean residual for one of `by`; `doubt` is the variance that is left."""
        member = self.group >= 0
        groups, by = self.group[member], self.by[member]
        count = np.bincount(groups, weight[member] * by * by, self.count)
        total = np.bincount(groups, weight[member] * by * residual[member], self.count)
        pull = noise / max(self.variance, SMALLEST)
        self.value[:-1] = total / (count + pull)
        self.doubt[:-1] = noise / (count + pull)
        spread = float(np.sum(self.value[:-1] ** 2 + self.doubt[:-1]))
        self.variance = (spread + self.prior) / (self.count + 1)


class Pool:
    """The effects of all rows. Building it is the work: 8,000 rows take some ten milliseconds."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """:raises ValueError: no rows."""
        if not rows:
            raise ValueError("nothing can be learnt from no jobs")
        self.sources = {source: n for n, source in enumerate(sorted({row.source for row in rows}))}
        self.labels = {label: n for n, label in enumerate(sorted({row.label for row in rows}))}
        self._cells = {cell: n for n, cell in enumerate(sorted({(row.source, row.label) for row in rows}))}
        source = np.array([self.sources[row.source] for row in rows])
        label = np.array([self.labels[row.label] for row in rows])
        self.cell = np.array([self._cells[row.source, row.label] for row in rows])
        age = np.array([row.age_days for row in rows])
        self._weight = 0.5 ** (np.maximum(age, 0) / HALF_LIFE_DAYS)
        self._y = np.array([row.log_cost for row in rows])
        size = np.array([row.log_size for row in rows])
        self.centre = float(np.average(size, weights=self._weight))
        self._x = size - self.centre
        once = np.ones(len(rows))
        self._source = _Effect(source, len(self.sources), once)
        self._label = _Effect(label, len(self.labels), once)
        self._cell = _Effect(self.cell, len(self._cells), once)
        self._bend = _Effect(source, len(self.sources), self._x, SLOPE**2)
        self._lately = [
            _Effect(_lately(source, age, newest), len(self.sources), once, CHANGE) for newest in LATELY_JOBS
        ]
        self._effects = [self._source, self._label, self._cell, self._bend, *self._lately]
        self._mean = 0.0
        self._slope, self._slope_doubt = 0.0, SLOPE**2
        self._noise = max(float(np.var(self._y)) / 2, PRIOR)
        self._fit()

    def _fit(self) -> None:
        weight = self._weight
        rest = self._y.copy()
        for _ in range(ROUNDS):
            shift = float(np.average(rest, weights=weight))
            self._mean += shift
            rest -= shift
            for effect in self._effects:
                rest += effect.of_rows()
                effect.update(rest, weight, self._noise)
                rest -= effect.of_rows()
            rest += self._slope * self._x
            self._update_slope(rest, weight)
            rest -= self._slope * self._x
            weight = self._weight * np.minimum(1.0, FAR * math.sqrt(self._noise) / np.maximum(np.abs(rest), SMALLEST))
            doubt = sum((effect.doubt_of_rows() for effect in self._effects), self._slope_doubt * self._x**2)
            squares = float(np.sum(weight * (rest**2 + doubt)))
            self._noise = (squares + PRIOR) / (float(np.sum(weight)) + 1)
        self._own_noise = self._noises(rest, weight)

    def _update_slope(self, residual: Floats, weight: Floats) -> None:
        pull = self._noise / SLOPE**2
        squares = float(np.sum(weight * self._x**2))
        self._slope = float(np.sum(weight * self._x * residual)) / (squares + pull)
        self._slope_doubt = self._noise / (squares + pull)

    def _noises(self, rest: Floats, weight: Floats) -> Floats:
        """The noise of each cell, its own as far as it has jobs to tell."""
        count = np.bincount(self.cell, weight, len(self._cells))
        squares = np.bincount(self.cell, weight * rest**2, len(self._cells))
        found: Floats = (NOISE_JOBS * self._noise + squares) / (NOISE_JOBS + count)
        return found

    def predict(self, source: int, label: str, log_size: float) -> Prediction | None:
        """A new job's cost for one unit of size. None when nothing is known of the back end or of the workload."""
        if source not in self.sources or label not in self.labels:
            return None
        here, what = self.sources[source], self.labels[label]
        cell = self._cells.get((source, label))
        x = log_size - self.centre
        slope = self._slope + self._bend.value[here]
        mean = self._mean + self._source.value[here] + self._label.value[what] + slope * x
        mean += sum(effect.value[here] for effect in self._lately)
        doubt = self._source.doubt[here] + self._label.doubt[what]
        doubt += (self._slope_doubt + self._bend.doubt[here]) * x * x
        doubt += sum(effect.doubt[here] for effect in self._lately)
        jobs = 0
        if cell is None:
            doubt, noise = doubt + self._cell.variance, self._noise
        else:
            mean += self._cell.value[cell]
            doubt, noise = doubt + self._cell.doubt[cell], float(self._own_noise[cell])
            jobs = int(np.sum(self.cell == cell))
        spread = math.sqrt(float(doubt) + noise) * _tail(NOISE_JOBS + jobs)
        return Prediction(float(mean), spread, jobs)


def _lately(source: Whole, age: Floats, newest: int) -> Whole:
    """The `newest` rows of each back end; -1 for the others."""
    found = np.full(len(source), -1)
    for group in np.unique(source):
        rows = np.flatnonzero(source == group)
        found[rows[np.argsort(age[rows], kind="stable")[:newest]]] = group
    return found


def _tail(freedom: float) -> float:
    """How much farther out the 90 % quantile of a t distribution is than that of the normal one (Cornish-Fisher)."""
    z2 = Z90 * Z90
    return 1 + (z2 + 1) / (4 * freedom) + (5 * z2 * z2 + 16 * z2 + 3) / (96 * freedom**2)
