"""The accent of a federation as a palette that can be read: pure arithmetic of colours, no settings, no framework.

Colours are OKLCH: lightness 0 to 1, chroma 0 and more, hue in degrees. Contrast is WCAG's, 1 to 21.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3: of text with what is behind it."""
_HUE = re.compile(r"\d{1,3}(?:\.\d+)?")
_HEX = re.compile(r"#[0-9a-f]{6}")
_OKLCH = re.compile(r"oklch\(\s*(\d+(?:\.\d+)?)(%?)\s+(\d*\.?\d+)\s+(\d{1,3}(?:\.\d+)?)\s*\)")


@dataclass(frozen=True, slots=True)
class Colour:
    lightness: float
    chroma: float
    hue: float

    def css(self) -> str:
        return f"oklch({self.lightness * 100:.4g}% {self.chroma:.4g} {self.hue:.4g})"


@dataclass(frozen=True, slots=True)
class Tone:
    """A named colour of the style sheet on light and on dark pages."""

    name: str
    light: Colour
    dark: Colour


WHITE = Colour(1, 0, 0)
USUAL = Colour(0.505, 0.19, 264)
"""What a hue alone is filled up with, and the accent where none is set."""
# What stands behind the accent: pages, panels, menus and their sunken parts (assets/css/app.css).
_LIGHT_GROUNDS = (Colour(0.984, 0.003, 265), WHITE, Colour(0.966, 0.004, 265))
_DARK_GROUNDS = (
    Colour(0.165, 0.014, 265),
    Colour(0.205, 0.016, 265),
    Colour(0.24, 0.018, 265),
    Colour(0.245, 0.017, 265),
)


def read(text: str) -> Colour:
    """An accent from a hue (`264`), `#rrggbb` or `oklch(50% 0.19 264)`; what no screen shows is made paler.

    :raises ValueError: when it is none of these, or text in it or on it could not be read on light pages.
    """
    plain = text.strip().lower()
    if _HUE.fullmatch(plain):
        colour = Colour(USUAL.lightness, USUAL.chroma, _degrees(plain))
    elif _HEX.fullmatch(plain):
        colour = _from_hex(plain)
    elif found := _OKLCH.fullmatch(plain):
        lightness = float(found[1]) / (100 if found[2] else 1)
        if lightness > 1:
            raise ValueError(f"{text}: the lightness goes from 0 to 1, or from 0 % to 100 %")
        colour = Colour(lightness, float(found[3]), _degrees(found[4]))
    else:
        raise ValueError(f"{text}: write a hue from 0 to 360, #rrggbb or oklch(50% 0.19 264)")
    shown = displayable(colour)
    least = min(contrast(shown, ground) for ground in _LIGHT_GROUNDS)
    if least < LEAST_CONTRAST:
        raise ValueError(
            f"{text}: its contrast with a light page is {least:.1f}, and text needs {LEAST_CONTRAST}; "
            f"{_darker(shown).css()} would do"
        )
    return shown


def palette(accent: Colour) -> tuple[Tone, ...]:
    """The accent's four tones. Lightness follows the measured scale of the style sheet, hue and strength the accent."""
    strength = accent.chroma / USUAL.chroma

    def tone(lightness: float, chroma: float) -> Colour:
        return displayable(Colour(lightness, chroma * strength, accent.hue))

    return (
        Tone("accent", accent, tone(0.75, 0.125)),
        Tone("accent-strong", tone(max(min(0.43, accent.lightness - 0.05), 0), 0.18), tone(0.82, 0.095)),
        Tone("accent-soft", tone(0.956, 0.02), tone(0.285, 0.055)),
        Tone("on-accent", WHITE, tone(0.18, 0.04)),
    )


def stylesheet(accent: Colour) -> str:
    """CSS that puts the palette in place of the usual one."""
    tones = ";".join(f"--color-{one.name}:light-dark({one.light.css()},{one.dark.css()})" for one in palette(accent))
    return f":root{{{tones}}}\n"


def pairs(accent: Colour) -> tuple[tuple[str, Colour, Colour], ...]:
    """Each text and what is behind it on the pages, for the proof that all can be read."""
    tones = {one.name: one for one in palette(accent)}
    main, strong, soft, on = (tones[name] for name in ("accent", "accent-strong", "accent-soft", "on-accent"))
    return (
        *((f"accent on light {index}", main.light, ground) for index, ground in enumerate(_LIGHT_GROUNDS)),
        *((f"accent on dark {index}", main.dark, ground) for index, ground in enumerate(_DARK_GROUNDS)),
        ("strong on soft, light", strong.light, soft.light),
        ("strong on soft, dark", strong.dark, soft.dark),
        ("on accent, light", on.light, main.light),
        ("on accent, dark", on.dark, main.dark),
        ("on strong, light", on.light, strong.light),
        ("on strong, dark", on.dark, strong.dark),
    )


def contrast(one: Colour, other: Colour) -> float:
    """WCAG's contrast ratio of two displayable colours."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def displayable(colour: Colour) -> Colour:
    """The colour itself, or the strongest of its hue and lightness that sRGB has."""
    if _shown(colour):
        return colour
    low, high = 0.0, colour.chroma
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if _shown(Colour(colour.lightness, middle, colour.hue)) else (low, middle)
    return Colour(colour.lightness, math.floor(low * 1e4) / 1e4, colour.hue)


def _darker(colour: Colour) -> Colour:
    """The lightest colour of the same hue that can be read on light pages, on the percent."""
    for percent in range(int(colour.lightness * 100), 0, -1):
        found = displayable(Colour(percent / 100, colour.chroma, colour.hue))
        if min(contrast(found, ground) for ground in _LIGHT_GROUNDS) >= LEAST_CONTRAST:
            return found
    return Colour(0, 0, 0)


def _degrees(text: str) -> float:
    hue = float(text)
    if hue > 360:
        raise ValueError(f"{text}: a hue goes from 0 to 360")
    return hue


def _linear(colour: Colour) -> tuple[float, float, float]:
    """Linear sRGB, by Ottosson's matrices; outside 0 to 1 no screen shows it."""
    a = colour.chroma * math.cos(math.radians(colour.hue))
    b = colour.chroma * math.sin(math.radians(colour.hue))
    long = (colour.lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (colour.lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (colour.lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _shown(colour: Colour) -> bool:
    return all(-1e-4 <= part <= 1 + 1e-4 for part in _linear(colour))


def _luminance(colour: Colour) -> float:
    red, green, blue = (min(max(part, 0), 1) for part in _linear(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _from_hex(text: str) -> Colour:
    red, green, blue = (_expanded(int(text[at : at + 2], 16) / 255) for at in (1, 3, 5))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return Colour(lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360)


def _expanded(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
