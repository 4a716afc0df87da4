"""Saved views of the usage explorer: keeping, sharing, renaming, choosing one to begin with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import saved_views
from portal.contexts import frame, usage_views
from portal.contexts.usage_query import canonical
from portal.forms.saved_views import LONGEST_QUERY, ChangeView, SaveView
from portal.models import SavedView
from portal.views.access import paying, signed_in, user_of


@require_http_methods(["GET", "POST"])
@signed_in
def view_list(request: HttpRequest) -> HttpResponse:
    """The views that the person keeps or is shown; a POST keeps another one."""
    if request.method == "GET":
        return _page(request)
    form = SaveView(request.POST)
    kept = _keep(request, form) if form.is_valid() else None
    if kept:
        messages.success(request, _("“%(name)s” is saved.") % {"name": kept.name})
        return HttpResponseRedirect(f"{reverse('usage')}?{kept.query}")
    return _page(request, status=422, form=form, action=reverse("usage-views"))


def _keep(request: HttpRequest, form: SaveView) -> SavedView | None:
    """The view, or what is in the way said in the form."""
    told, payer = form.cleaned_data, paying(request)
    try:
        query = canonical(told["query"])
        if len(query) > LONGEST_QUERY:
            form.add_error(None, _("That is too much to keep: choose fewer values to filter by."))
            return None
        return saved_views.save(user_of(request), payer.id, told["name"], query, shared=told["shared"])
    except BadRequest as error:
        form.refuse(error)
    except saved_views.NameTaken:
        form.add_error("name", _("You have a view of that name already."))
    except saved_views.TooMany:
        form.add_error(None, _("You keep %(most)s views here: delete one first.") % {"most": saved_views.MOST})
    return None


@require_GET
@signed_in
def view(request: HttpRequest, view: UUID) -> HttpResponse:
    """The lasting address of a view: on to the explorer, or to the organisation that it is about."""
    mine = [choice.id for choice in frame.frame_of(request).organisations]
    try:
        found = saved_views.find(user_of(request), mine, view)
    except LookupError:
        raise Http404 from None
    if found.organisation_id != paying(request).id:
        return render(request, "portal/usage_view_elsewhere.html", {"view": found})
    return HttpResponseRedirect(f"{reverse('usage')}?{found.query}")


@require_POST
@signed_in
def change(request: HttpRequest, view: UUID) -> HttpResponse:
    """Another name, or shared or not any more."""
    found, form = _own(request, view), ChangeView(request.POST)
    if form.is_valid():
        try:
            saved_views.change(found, form.cleaned_data["name"], shared=form.cleaned_data["shared"])
        except saved_views.NameTaken:
            form.add_error("name", _("You have a view of that name already."))
        else:
            messages.success(request, _("“%(name)s” is changed.") % {"name": found.name})
            return HttpResponseRedirect(reverse("usage-views"))
    return _page(request, status=422, form=form, action=reverse("usage-view-change", args=[view]))


@require_POST
@signed_in
def delete(request: HttpRequest, view: UUID) -> HttpResponse:
    found = _own(request, view)
    saved_views.delete(found)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": found.name})
    return HttpResponseRedirect(reverse("usage-views"))


@require_POST
@signed_in
def choose_default(request: HttpRequest) -> HttpResponse:
    """Open usage with a view from now on; as usual when none is named."""
    user, payer, named = user_of(request), paying(request), request.POST.get("view", "")
    try:
        chosen = saved_views.find(user, [payer.id], UUID(named)) if named else None
    except (LookupError, ValueError):
        raise Http404 from None
    saved_views.set_default(user, chosen, payer.id)
    told = _("Usage opens with “%(name)s” from now on.") % {"name": chosen.name} if chosen else None
    messages.success(request, told or _("Usage opens as usual from now on."))
    return HttpResponseRedirect(reverse("usage-views"))


def _own(request: HttpRequest, view: UUID) -> SavedView:
    try:
        return saved_views.own(user_of(request), paying(request).id, view)
    except LookupError:
        raise Http404 from None


def _page(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    payer = paying(request)
    page = usage_views.page_of(user_of(request), payer.id, payer.name)
    return render(request, "portal/usage_views.html", {"page": page, **more}, status=status)
