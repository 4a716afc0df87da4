"""What happened in the past of the demonstration besides reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from devtools.demonstration.stage import Stage


@dataclass(frozen=True)
class Act:
    """Something that happens at an instant of the past."""

    at: datetime
    do: Callable[[Stage], None]
