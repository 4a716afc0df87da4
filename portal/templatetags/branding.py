"""The brand in templates, also in those of faults, which get nothing from context processors."""

from __future__ import annotations

from django import template

from portal import brand

register = template.Library()


@register.simple_tag
def site_brand() -> brand.Brand:
    return brand.of_site()
