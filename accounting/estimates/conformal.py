"""How far past estimates were off decides how wide the next interval is. Pure.

A score is (logarithm of the actual cost - that of the median) / spread of an estimate made before the job ran. If the
model were right, 80 % of them would lie within ±1.28; where they really lie is where the interval ends (split conformal
prediction on a moving window), drawn towards ±1.28 while there are few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from accounting.estimates.pooling import Z90

WINDOW = 200
"""Scores of a back end that count, the newest."""
FEW = 25.0
"""Scores at which what they say counts as much as what the model says."""
WIDEST = 6.0


def bounds(scores: Sequence[float]) -> tuple[float, float]:
    """Where the 80 % interval begins and ends, in spreads around the median: (negative, positive).

    :param scores: newest first; only the first `WINDOW` count.
    """
    seen = sorted(scores[:WINDOW])
    count = len(seen)
    if not count:
        return -Z90, Z90
    share = count / (count + FEW)
    low = share * _ranked(seen, math.floor(0.1 * (count + 1))) - (1 - share) * Z90
    high = share * _ranked(seen, math.ceil(0.9 * (count + 1))) + (1 - share) * Z90
    # The median stays inside, whatever happened lately.
    return max(-WIDEST, min(low, -0.05)), min(WIDEST, max(high, 0.05))


def _ranked(seen: Sequence[float], rank: int) -> float:
    """The score of that rank, from 1. Ranks are of one score more than there are: the promise is for the next one."""
    return seen[min(max(rank - 1, 0), len(seen) - 1)]
