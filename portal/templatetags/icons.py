"""Icons drawn into the page, from the files that assets/build.mjs picked out of lucide."""

from __future__ import annotations

import re
from functools import lru_cache

from django import template
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_SHAPE = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


@register.simple_tag
def icon(name: str, css: str = "icon", label: str = "") -> SafeString:
    """Draw an icon; hidden from screen readers unless it has a label of its own."""
    hint = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="{}" viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor" '
        'stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" {}>{}</svg>',
        css,
        hint,
        _shape(name),
    )


@lru_cache(maxsize=256)
def _shape(name: str) -> SafeString:
    """The paths inside lucide's svg.

    :raises FileNotFoundError: when the front end was not built, or the build did not see this icon's name.
    """
    path = f"icons/{name}.svg"
    found = finders.find(path)
    if found:
        with open(found, encoding="utf-8") as file:  # noqa: PTH123
            text = file.read()
    else:
        with staticfiles_storage.open(path) as stored:
            text = stored.read().decode()
    match = _SHAPE.search(text)
    if match is None:
        raise FileNotFoundError(f"{path} is not an icon")
    # Our own build wrote the file; nothing of a person's is in it.
    return mark_safe(" ".join(match[1].split()))  # noqa: S308
