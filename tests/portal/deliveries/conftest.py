"""The mail server and the person of the tests of mail."""

from tests.portal.mail.conftest import alice, sink

__all__ = ["alice", "sink"]
