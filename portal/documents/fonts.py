"""The letters of PDF documents: embedded, so that a document looks the same everywhere.

DejaVu Sans has Latin, Greek, Cyrillic, Hebrew and Arabic letters; Debian's package is fonts-dejavu-core. Where it is
not installed, Bitstream Vera is taken, which comes with reportlab and has Western Latin letters only. A character that
the font lacks is written as `MISSING`, and the document says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import reportlab
from django.conf import settings
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

MISSING = "\N{REPLACEMENT CHARACTER}"
FALLBACK = "?"
BUNDLED = Path(reportlab.__file__).parent / "fonts"


@dataclass(frozen=True, slots=True)
class Fonts:
    """Names as reportlab knows them, and the characters that both have."""

    regular: str
    bold: str
    characters: frozenset[int]

    def lacks(self, text: str) -> bool:
        return any(ord(character) not in self.characters for character in text if character != "\n")

    def printable(self, text: str) -> str:
        """The text with a sign in the place of each character that the font lacks."""
        missing = MISSING if ord(MISSING) in self.characters else FALLBACK
        return "".join(c if c == "\n" or ord(c) in self.characters else missing for c in text)


def load() -> Fonts:
    """Those in the folder DOCUMENT_FONTS if they can be read, else the ones that come with reportlab."""
    return _load(Path(settings.DOCUMENT_FONTS))


@cache
def _load(folder: Path) -> Fonts:
    try:
        return _register(folder / "DejaVuSans.ttf", folder / "DejaVuSans-Bold.ttf")
    except (TTFError, OSError):
        return _register(BUNDLED / "Vera.ttf", BUNDLED / "VeraBd.ttf")


def _register(regular: Path, bold: Path) -> Fonts:
    fonts = [TTFont(path.stem, str(path)) for path in (regular, bold)]
    for font in fonts:
        pdfmetrics.registerFont(font)
    characters = frozenset.intersection(*(frozenset(font.face.charToGlyph) for font in fonts))
    return Fonts(regular.stem, bold.stem, characters)
