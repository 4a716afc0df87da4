"""Stories through HTTP use the callers of the API's own tests."""

from tests.accounting.api.v1.conftest import callers, token_issuer

__all__ = ["callers", "token_issuer"]
