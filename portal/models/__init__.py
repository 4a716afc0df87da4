"""Rows of the portal: who signed in, and what people keep here."""

import portal.mail_rows  # noqa: F401  rows of this app too
from portal.models.exports import DataExport, DataExportChunk
from portal.models.invitations import Invitation
from portal.models.saved_views import DefaultView, SavedView
from portal.models.tokens import ApiToken
from portal.models.user import User, UserManager

__all__ = [
    "ApiToken",
    "DataExport",
    "DataExportChunk",
    "DefaultView",
    "Invitation",
    "SavedView",
    "User",
    "UserManager",
]
