"""`/health` says that the process answers; `/health/ready` says whether it can do its work."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

#: One existing client calls this before each report and checks for 200 and `status`; it must cost nothing.
_ALIVE = b'{"status":"ok","info":{},"error":{},"details":{}}'


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_ALIVE, content_type="application/json", headers={"Cache-Control": "no-store"})
