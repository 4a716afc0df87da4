"""Whatever accent a federation chooses, all text on its pages can be read; what could not be is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import colours
from portal.colours import Colour

STYLES = (Path(__file__).resolve().parents[2] / "assets/css/app.css").read_text()


@given(st.floats(0, 360), st.floats(0, 0.4), st.floats(0, 1))
def test_an_accent_that_is_accepted_can_be_read_everywhere(hue: float, chroma: float, lightness: float) -> None:
    try:
        accent = colours.read(f"oklch({lightness:.4f} {chroma:.4f} {hue:.2f})")
    except ValueError:
        return
    for name, text, ground in colours.pairs(accent):
        assert colours.contrast(text, ground) >= colours.LEAST_CONTRAST, (name, accent)


@pytest.mark.parametrize("hue", range(0, 361, 5))
def test_every_hue_alone_is_accepted(hue: int) -> None:
    assert colours.read(str(hue)).hue == hue


def test_a_colour_that_cannot_be_read_is_refused_with_one_that_can() -> None:
    """The negative control of the proof above: the yellow would break it."""
    yellow = Colour(0.88, 0.17, 95)
    assert min(colours.contrast(text, ground) for _, text, ground in colours.pairs(yellow)) < 2
    with pytest.raises(ValueError, match=r"contrast with a light page is 1\.\d") as refused:
        colours.read(yellow.css())
    advised = re.search(r"oklch\([^)]*\)", str(refused.value).split(";")[1])
    assert advised
    colours.read(advised[0])


@pytest.mark.parametrize(
    ("text", "lightness", "chroma", "hue"),
    [
        ("#2a5bd7", 0.5156, 0.198, 264.2),
        ("#000000", 0, 0, 0),
        ("#0000ff", 0.452, 0.3132, 264.1),
        ("#008000", 0.5198, 0.1769, 142.5),
    ],
)
def test_known_values(text: str, lightness: float, chroma: float, hue: float) -> None:
    """As the conversion of CSS Color 4 gives them."""
    found = colours.read(text)
    assert found.lightness == pytest.approx(lightness, abs=0.004)
    assert found.chroma == pytest.approx(chroma, abs=0.004)
    if chroma:
        assert found.hue == pytest.approx(hue, abs=1)


def test_the_contrast_is_that_of_wcag() -> None:
    black, white = Colour(0, 0, 0), colours.WHITE
    assert colours.contrast(black, white) == pytest.approx(21, abs=0.01)
    assert colours.contrast(white, white) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "blue",
        "400",
        "-1",
        "264deg",
        "#12345",
        "#1234567",
        "oklch(50% 0.2)",
        "oklch(2 0.1 90)",
        "oklch(50% 0.1 361)",
        "#fff}body{display:none",
        "url(x)",
        "50;color:red",
        "\x00",
    ],
)
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        colours.read(text)


def test_the_usual_accent_is_that_of_the_style_sheet_and_so_are_the_grounds() -> None:
    """The proof is about the colours of app.css: they must not drift apart."""
    found = dict(re.findall(r"--color-([a-z-]+): (light-dark\(oklch\([^)]*\), oklch\([^)]*\)\));", STYLES))
    assert found["accent"].startswith(f"light-dark({colours.USUAL.css()}, ")
    for names, grounds in ((("page", "surface", "sunken"), colours._LIGHT_GROUNDS),):
        for name, ground in zip(names, grounds, strict=True):
            assert found[name].startswith(f"light-dark({ground.css()}, "), name
    for name, ground in zip(("page", "surface", "raised", "sunken"), colours._DARK_GROUNDS, strict=True):
        assert found[name].endswith(f", {ground.css()})"), name


def test_the_style_sheet_has_nothing_but_the_tones() -> None:
    sheet = colours.stylesheet(colours.read("150"))
    colour = r"oklch\([\d.]+% [\d.]+ [\d.]+\)"
    tones = ";".join(
        rf"--color-{name}:light-dark\({colour},{colour}\)"
        for name in ("accent", "accent-strong", "accent-soft", "on-accent")
    )
    assert re.fullmatch(rf":root{{{tones}}}\n", sheet)
