"""What only templates of mails need."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter(is_safe=True)
def one_line(text: str) -> str:
    """Join lines, so that the first line of a mail's text is its whole subject, whatever stands in it."""
    return " ".join(str(text).split())
