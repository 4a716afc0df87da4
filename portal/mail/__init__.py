"""Mail that leaves the portal: a row first, sent by a worker, once per cause (docs/notifications.md, decision 0018)."""

from portal.mail.queueing import forget, purge, queue
from portal.mail.sending import send

__all__ = ["forget", "purge", "queue", "send"]
