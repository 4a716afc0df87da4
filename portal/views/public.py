"""What anybody may read: rates and their calculator, the back ends, and what a job would cost."""

from __future__ import annotations

import time
from typing import Any

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounting import directory, popularity, tariff_queries
from portal.api import errors, shared
from portal.api.faults import Fault
from portal.contexts import backends as backend_pages
from portal.contexts import calculator, estimating, payer
from portal.contexts import rates as rate_pages
from portal.forms.estimates import USUAL as USUAL_JOB
from portal.forms.estimates import EstimateForm
from portal.forms.rates import EXAMPLE, USUAL, CalculatorForm
from portal.models import User
from portal.views.caching import public

ESTIMATES_A_MINUTE = 60
"""That one address may ask for without being signed in; each costs some tens of milliseconds."""
POPULAR = 6
MOST_SOURCE = 200
MOST_VERSION = 2**31 - 1
MAX_DIGITS = 19


def is_part(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page."""
    return bool(request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request"))


def _user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


@require_GET
@public
def rates(request: HttpRequest) -> HttpResponse:
    """Every back end's rate card, what changes, and the calculator; of htmx's questions only what is calculated."""
    now = timezone.now()
    given = {name: request.GET.get(name, "") for name in CalculatorForm.base_fields if name in request.GET}
    form = CalculatorForm(USUAL | (given or EXAMPLE))
    context: dict[str, Any] = {"form": form, "is_example": not given}
    if form.is_valid():
        user = _user(request)
        person = payer.person_of(user) if user else None
        context["result"] = calculator.calculate(form.cleaned_data, person, now)
    status = 422 if form.errors else 200
    if is_part(request):
        return render(request, "portal/_calculator.html", context | {"is_part": True}, status=status)
    context |= {"page": rate_pages.page_of(now), "services": calculator.services_of(tariff_queries.in_force(now))}
    return render(request, "portal/rates.html", context, status=status)


@require_GET
@public
def rate_card(request: HttpRequest, slug: str) -> HttpResponse:
    """A back end's rates: in force, announced, and all before; `before` goes on where a page of the history ended."""
    page = rate_pages.card_page(slug, _name_of(slug), timezone.now(), _number(request, "before"))
    return render(request, "portal/rate_card.html", {"page": page})


@require_GET
@public
def rate_version(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """One version, at an address that means the same for ever."""
    source = request.GET.get("source", "") or _only_source(slug)
    if "\x00" in source or len(source) > MOST_SOURCE:
        raise BadRequest("source must be a source id")
    page = rate_pages.version_page(slug, source, version, timezone.now()) if version <= MOST_VERSION else None
    if page is None:
        raise Http404
    return render(request, "portal/rate_card.html", {"page": page})


@require_GET
@public
def backends(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/backends.html", {"page": backend_pages.page_of(timezone.now())})


@require_GET
@public
def backend(request: HttpRequest, slug: str) -> HttpResponse:
    page = backend_pages.backend_page(slug, timezone.now())
    if page is None:
        raise Http404
    return render(request, "portal/backend.html", {"page": page})


@require_GET
@public
def estimate(request: HttpRequest) -> HttpResponse:
    """The form, and what it answers once it says what is to run; a part of it for htmx."""
    given = {name: request.GET.get(name, "") for name in EstimateForm.base_fields if name in request.GET}
    form = EstimateForm(USUAL_JOB | given if given else None)
    context: dict[str, Any] = {"form": form}
    if form.is_bound and form.is_valid():
        user = _user(request)
        if user is None and not _may_ask(request):
            return errors.answer(request, _too_many())
        context["answer"] = estimating.answer(form.workload, user)
    status = 422 if form.errors else 200
    if is_part(request):
        return render(request, "portal/_estimate.html", context, status=status)
    context["algorithms"] = calculator.services_of(tariff_queries.in_force(timezone.now()))
    context["popular"] = () if form.is_bound else popularity.most_used(POPULAR)
    return render(request, "portal/estimate.html", context, status=status)


def _may_ask(request: HttpRequest) -> bool:
    window = int(time.time() // 60)
    return shared.count(f"ask:{request.META.get('REMOTE_ADDR', '')}:{window}", 120) <= ESTIMATES_A_MINUTE


def _too_many() -> Fault:
    detail = _("You asked for many estimates in a minute. Wait a moment, or sign in.")
    return Fault(429, "rate_limited", detail, headers={"Retry-After": "60"})


def _name_of(slug: str) -> str:
    """:raises Http404: no such back end."""
    name = directory.name_of(slug)
    if name is None:
        raise Http404
    return name


def _only_source(slug: str) -> str:
    """Of a back end with one source its name need not be said. :raises Http404: which one is not clear."""
    sources = directory.sources_of(slug)
    if len(sources) != 1:
        raise Http404
    return sources[0]


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < MAX_DIGITS):
        raise BadRequest(f"{name} must be a place that the list gave")
    return int(text)
