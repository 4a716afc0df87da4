"""A job's receipt as a PDF: A4, every line with its arithmetic, totals, corrections, who paid, page numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from io import BytesIO
from typing import Any

from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle
from reportlab.platypus.flowables import Flowable

from accounting import credits as amounts
from accounting.answers import trim
from portal.contexts.charges import Charge, Line
from portal.contexts.receipt import ReceiptPage
from portal.documents import fonts
from portal.documents.fonts import Fonts
from portal.numerals import MINUS, euro_text, localised

MARGIN = 18 * mm
FRAME = 6
"""Points that reportlab's frames keep free inside of the margins; tables reach into them, paragraphs do not."""
WIDTH = A4[0] - 2 * MARGIN
INK, MUTED, RULE = colors.HexColor("#1b2233"), colors.HexColor("#5b6478"), colors.HexColor("#d5d9e2")


def pdf_of(page: ReceiptPage) -> bytes:
    """The document in the language and time zone that are active."""
    return _Writer(page).write()


class _Writer:
    """Lays out one receipt; remembers whether a character could not be written."""

    def __init__(self, page: ReceiptPage) -> None:
        self.page = page
        self.fonts: Fonts = fonts.load()
        self.lacking = False
        plain = ParagraphStyle("plain", fontName=self.fonts.regular, fontSize=8.5, leading=11.5, textColor=INK)
        self.styles = {
            "plain": plain,
            "muted": ParagraphStyle("muted", plain, textColor=MUTED, fontSize=7.5, leading=10),
            "bold": ParagraphStyle("bold", plain, fontName=self.fonts.bold),
            "figure": ParagraphStyle("figure", plain, alignment=TA_RIGHT),
            "total": ParagraphStyle("total", plain, fontName=self.fonts.bold, alignment=TA_RIGHT),
            "title": ParagraphStyle("title", plain, fontName=self.fonts.bold, fontSize=17, leading=22),
            "head": ParagraphStyle(
                "head", plain, fontName=self.fonts.bold, fontSize=10.5, leading=14, spaceBefore=10, spaceAfter=3
            ),
        }

    def write(self) -> bytes:
        page, file = self.page, BytesIO()
        document = SimpleDocTemplate(
            file,
            pagesize=A4,
            leftMargin=MARGIN - FRAME,
            rightMargin=MARGIN - FRAME,
            topMargin=MARGIN,
            bottomMargin=MARGIN + 6 * mm,
            title=_("Receipt %(number)s · %(job)s") % {"number": page.number, "job": page.job_id},
            author=page.site,
            subject=_("What the job cost, and why"),
            lang=translation.get_language() or "en",
            displayDocTitle=1,
        )
        document.build(list(self._story()), canvasmaker=_numbered(self))
        return file.getvalue()

    def text(self, text: object, style: str = "plain") -> Paragraph:
        said = str(text)
        self.lacking = self.lacking or self.fonts.lacks(said)
        return Paragraph(escape(self.fonts.printable(said)), self.styles[style])

    def _story(self) -> Iterable[Flowable]:
        page = self.page
        yield self.text(page.site, "muted")
        yield self.text(_("Receipt %(number)s") % {"number": page.number}, "title")
        yield Spacer(0, 4)
        yield self._facts()
        for charge in page.charges:
            yield from self._charge(charge)
        yield KeepTogether(list(self._totals()))
        if page.corrections:
            yield KeepTogether(list(self._corrections()))
        yield KeepTogether(list(self._paid()))
        yield Spacer(0, 8)
        for note in self._notes():
            yield self.text(note, "muted")

    def _facts(self) -> Table:
        page = self.page
        facts = [
            (_("Job"), page.title, page.job_id),
            (_("Paid by"), page.organisation, _("organisation %(id)s") % {"id": page.organisation_id}),
            (_("Back end"), f"{page.backend}, {page.provider}", page.source),
            (_("Run by"), page.who, page.kind),
            (_("Started"), _moment(page.started_at), ""),
            (_("Finished"), _moment(page.finished_at), ""),
            (_("Cost"), _credits(page.total, _("credits")), euro_text(page.total)),
            (_("Issued"), _moment(page.issued_at), ""),
        ]
        styles = ("muted", "bold", "muted")
        cells = [[self.text(text, style) for text, style in zip(fact, styles, strict=True)] for fact in facts]
        return self._table(cells, (22 * mm, 82 * mm, WIDTH - 104 * mm), head=False)

    def _charge(self, charge: Charge) -> Iterable[Flowable]:
        yield self.text(charge.title, "head")
        said = _("reported by %(client)s, booked %(moment)s") % {
            "client": charge.reported_by,
            "moment": _moment(charge.booked_at),
        }
        yield self.text(f"{charge.tariff} · {said}" if charge.tariff else said, "muted")
        yield Spacer(0, 3)
        titles = [self.text(text, "muted") for text in (_("Measured"), _("Price in credits"), _("To"))]
        rows: list[list[Any]] = [[*titles, self._right(_("Credits"))], *map(self._line, charge.lines)]
        rows.append([self.text(_("Together"), "bold"), "", "", self.text(_credits(charge.cost), "total")])
        yield self._table(rows, (72 * mm, 37 * mm, WIDTH - 137 * mm, 28 * mm), total=True)

    def _line(self, line: Line) -> list[Any]:
        about = f"{line.title} {line.about}".strip()
        counted = localised(f"{Decimal(trim(line.quantity)):,f}")
        measured = [self.text(about), self.text(f"{_quantity(line.reported, line.said)} {line.unit}", "muted")]
        arithmetic = [
            f"{line.conversion} {line.canonical_unit}" if line.conversion else f"{counted} {line.canonical_unit}",
            line.calculation,
        ]
        measured += [self.text(text, "muted") for text in arithmetic if text]
        price = [self.text(line.price), *(self.text(text, "muted") for text in (line.rule, line.terms) if text)]
        payee = [self.text(line.payee if line.amount else "–")]
        if line.fee:
            payee.append(self.text(_("%(amount)s of it platform fee") % {"amount": _credits(line.fee)}, "muted"))
        return [measured, price, payee, self._right(_credits(line.amount), "figure")]

    def _totals(self) -> Iterable[Flowable]:
        page = self.page
        yield self.text(_("Sum"), "head")
        rows = [(_("All charges"), page.charged)]
        if page.given_back:
            rows.append((_("Given back"), -page.given_back))
        if page.unlisted:
            rows.append((_("Charges that are not listed"), page.unlisted))
        cells: list[list[Any]] = [[self.text(title), self._right(_credits(amount), "figure")] for title, amount in rows]
        cells.append([self.text(_("Cost of the job"), "bold"), self._right(_credits(page.total), "total")])
        cells.append([self.text(_("In euro"), "muted"), self._right(euro_text(page.total))])
        yield self._table(cells, (WIDTH - 40 * mm, 40 * mm), head=False)

    def _corrections(self) -> Iterable[Flowable]:
        yield self.text(_("Corrections"), "head")
        cells = [
            [
                [self.text(one.title), self.text(one.charge, "muted")],
                self.text(one.reason),
                self.text(_moment(one.at)),
                self._right(_credits(one.amount), "figure"),
            ]
            for one in self.page.corrections
        ]
        yield self._table(cells, (60 * mm, WIDTH - 130 * mm, 38 * mm, 32 * mm), head=False)

    def _paid(self) -> Iterable[Flowable]:
        yield self.text(_("Which credits paid"), "head")
        cells: list[list[Any]] = [
            [self.text(part.label), self._right(_credits(part.amount), "figure")] for part in self.page.paid
        ]
        if self.page.outstanding:
            amount = self._right(_credits(self.page.outstanding), "figure")
            cells.append([self.text(_("Not covered yet")), amount])
        cells.append([self.text(_("Together"), "bold"), self._right(_credits(self.page.total), "total")])
        yield self._table(cells, (WIDTH - 40 * mm, 40 * mm), head=False, total=True)

    def _notes(self) -> Iterable[str]:
        yield _("Each line is rounded once, half to even, to 0.000001 credit.")
        yield _("All times are %(zone)s.") % {"zone": timezone.get_current_timezone_name()}
        if self.page.replaced:
            yield ngettext(
                "%(count)s charge of the running job was replaced by later ones and is in no sum.",
                "%(count)s charges of the running job were replaced by later ones and are in no sum.",
                self.page.replaced,
            ) % {"count": self.page.replaced}
        if self.lacking:
            yield _("Some characters are missing in the font of this document; the receipt’s page shows them.")

    def _right(self, text: str, style: str = "muted") -> Paragraph:
        paragraph = self.text(text, style)
        paragraph.style = ParagraphStyle("right", self.styles[style], alignment=TA_RIGHT)
        return paragraph

    def _table(
        self, rows: Sequence[list[Any]], widths: Sequence[float], *, head: bool = True, total: bool = False
    ) -> Table:
        style: list[Any] = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
            ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
        ]
        if total:
            style.append(("LINEABOVE", (0, -1), (-1, -1), 0.8, INK))
        return Table(rows, colWidths=widths, style=TableStyle(style), repeatRows=1 if head else 0)


def _numbered(writer: _Writer) -> type[Canvas]:
    """A canvas that writes "page n of m" when it knows m."""

    class Numbered(Canvas):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.kept: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802  reportlab's name
            self.kept.append(dict(self.__dict__))
            self._startPage()  # type: ignore[attr-defined]  # reportlab's own way to go on without writing the page

        def save(self) -> None:
            for state in self.kept:
                self.__dict__.update(state)
                self._foot(len(self.kept))
                super().showPage()
            super().save()

        def _foot(self, count: int) -> None:
            self.setFont(writer.fonts.regular, 7.5)
            self.setFillColor(MUTED)
            number = _("Page %(page)s of %(count)s") % {"page": self.getPageNumber(), "count": count}
            self.drawRightString(A4[0] - MARGIN, 12 * mm, number)
            self.drawString(MARGIN, 12 * mm, writer.fonts.printable(f"{writer.page.site} · {writer.page.number}")[:90])

    return Numbered


def _credits(micros: int, unit: str = "") -> str:
    """All six decimals, so that sums can be checked."""
    number = localised(f"{amounts.to_decimal(abs(micros)):,.6f}")
    return f"{MINUS if micros < 0 else ''}{number}{f' {unit}' if unit else ''}"


def _quantity(value: Decimal | None, said: str) -> str:
    return said if value is None else localised(f"{value:,f}")


def _moment(at: datetime | None) -> str:
    if at is None:
        return _("Not told")
    return date_format(timezone.localtime(at), pgettext("date format", "j M Y, H:i"), use_l10n=False)
