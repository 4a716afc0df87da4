"""Telling back ends what they did not ask for: signed messages to a registered address, sent until they arrive.

`send` writes a message in the caller's transaction, `delivery.deliver` sends what is due. Signatures and headers are
those of the Standard Webhooks specification (decision 0011); docs/callbacks.md is the receiver's guide.
"""

from accounting.callbacks.registration import Registered, find, register, rotate, switch_off
from accounting.callbacks.sending import deliveries, send

__all__ = ["Registered", "deliveries", "find", "register", "rotate", "send", "switch_off"]
