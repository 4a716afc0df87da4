"""What nobody posts but time brings: credits that run low, grants and holds about to expire, announced tariffs,
estimates that were wrong. Each is a scan that a task repeats: bounded, by index, and telling each cause once (N2).
"""

from accounting.alerts.announcements import announce_tariffs
from accounting.alerts.balances import compare_balances
from accounting.alerts.expiring import warn_of_grants, warn_of_holds
from accounting.alerts.overruns import tell_overruns
from accounting.alerts.receipts import tell_receipts
from accounting.alerts.thresholds import Threshold, set_threshold, threshold

__all__ = [
    "Threshold",
    "announce_tariffs",
    "compare_balances",
    "set_threshold",
    "tell_overruns",
    "tell_receipts",
    "threshold",
    "warn_of_grants",
    "warn_of_holds",
]
