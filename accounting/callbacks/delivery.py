"""Sending what is due. Threads do nothing but HTTP; rows are read and written between their calls, never during one.

At least once: the answer of a receiver may be lost after it acted, and then the same message comes again under the same
`webhook-id` (C1). Whatever happens to this process, the rows say what is still due.
"""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import structlog
from django.conf import settings

from accounting.callbacks import claims, signature, timing, transport
from accounting.callbacks.claims import Claim, Message
from accounting.callbacks.transport import Answer, TransportFailed

log = structlog.get_logger(__name__)

RECEIVERS = 16
"""Called at the same time by one run."""

MESSAGES = 20
"""To one receiver in one run; then the others have their turn."""

SECONDS = 20.0
"""After that a run begins no new message, so that the worker gets to its other tasks."""

LOOK_AGAIN = 1.0
"""Seconds between two looks at what else is due while a slow receiver is waited for."""

TAKEN = range(200, 300)
#: The message itself is at fault, as far as the receiver is concerned.
REFUSALS = frozenset({400, 409, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class _Call:
    """A message on its way; `number` counts those to this receiver in this run."""

    claimed: Claim
    message: Message
    number: int


def deliver(client: int | None = None) -> int:
    """Sends what is due, to `client` only if given; returns how many messages were taken by their receivers.

    Several workers share the receivers; a slow one keeps back nobody else's messages.
    """
    claims.abandon_old()
    return _Run(client).work()


class _Run:
    def __init__(self, client: int | None) -> None:
        self.client = client
        self.started = time.monotonic()
        self.running: dict[Future[Answer], _Call] = {}
        self.delivered = 0

    def work(self) -> int:
        with ThreadPoolExecutor(RECEIVERS, "callback") as pool:
            self._begin(pool)
            while self.running:
                done, _ = wait(self.running, LOOK_AGAIN, FIRST_COMPLETED)
                for future in done:
                    self._finish(pool, future)
                self._begin(pool)
        return self.delivered

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        """Claims as many receivers as there are threads that do nothing."""
        free = RECEIVERS - len(self.running)
        if free > 0 and self._in_time():
            for claimed in claims.claim(free, self.client):
                self._call_next(pool, claimed, 1)

    def _call_next(self, pool: ThreadPoolExecutor, claimed: Claim, number: int) -> None:
        message = claims.next_message(claimed.client) if number <= MESSAGES and self._in_time() else None
        if message is None:
            claims.release(claimed.client)
            return
        self.running[pool.submit(_post, claimed, message)] = _Call(claimed, message, number)

    def _finish(self, pool: ThreadPoolExecutor, future: Future[Answer]) -> None:
        call = self.running.pop(future)
        if _settle(call, future):
            self.delivered += future.result().status in TAKEN
            self._call_next(pool, replace(call.claimed, failures=0), call.number + 1)

    def _in_time(self) -> bool:
        return time.monotonic() - self.started < SECONDS


def _post(claimed: Claim, message: Message) -> Answer:
    stamp = claimed.timestamp()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"openeo-credits (+{settings.PUBLIC_URL})",
        "Connection": "close",
        "webhook-id": message.uuid,
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature.sign(claimed.client, claimed.generations, message.uuid, stamp, message.body),
    }
    return transport.post(claimed.url, message.body, headers)


def _settle(call: _Call, future: Future[Answer]) -> bool:
    """Writes down what came of a call; whether the receiver can be called again at once."""
    try:
        answer = future.result()
    except TransportFailed as error:
        claims.settle_failed(call.claimed, call.message, None, str(error))
        return False
    except Exception as error:  # a fault of ours with one receiver must not cost the others their run
        log.exception("callback_fault", client=call.claimed.client)
        claims.settle_failed(call.claimed, call.message, None, f"our fault: {type(error).__name__}")
        return False
    status = answer.status
    if status in TAKEN:
        claims.settle_delivered(call.claimed, call.message, status)
        return True
    if status in REFUSALS:
        claims.settle_refused(call.claimed, call.message, status, f"it answered {status}")
        return True
    if status == 410:
        claims.settle_gone(call.claimed, call.message, status)
    else:
        asked = timing.wish(answer.retry_after)
        claims.settle_failed(call.claimed, call.message, status, f"it answered {status}", asked)
    return False
