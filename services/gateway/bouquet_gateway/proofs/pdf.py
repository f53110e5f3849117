"""Drawing of the PDF file that shows an answer and its proof: A4 pages in French, without any emblem of the State."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import cast

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from bouquet_gateway.proofs.document import Document
from bouquet_gateway.proofs.page import TEST_DATA
from bouquet_gateway.proofs.statement import Row, french_day

WIDTH, HEIGHT = A4
MARGIN = 18 * mm
FOOTER_HEIGHT = 16 * mm
"""Height of the space for the page number at the bottom of each page, in points."""
SMALL, NORMAL, LARGE = 8, 9.5, 14
LEADING = 1.35
"""Distance between lines of text, as a multiple of the font's size."""
CELL_PADDING = 2 * mm
"""Height or width of the empty space around the text in a cell of a table, in points."""
LABEL_WIDTH = 0.42
"""Width of the column with the labels, as a fraction of the table's width."""
MAX_ROW_LINES = 40
"""Largest number of lines of text in one row of a table, so that a row fits on one page. A longer text goes on in the
next row."""
QR_SIDE = 52 * mm
"""Width and height of the QR code on the page, in points."""
# The library's `mm` is the number of points in a millimetre.
# The QR code of a link of 1,000 characters has 121 modules (small squares) per side, so each is 0.4 mm wide.

# Bitstream Vera is in the library's package, with its free licence, and has the letters of French and of most European
# languages.
REGULAR, BOLD = "Vera", "VeraBd"
WITHOUT_WIDTH = ("Cf", "Mn")
"""Unicode categories of characters that take no width in a line: formatting characters, and combining accents."""


def pdf_of(document: Document, code: str, url: str, *, is_test: bool) -> bytes:
    """Returns the PDF file with the content `document`. `code` is the proof's short code, `url` the address at which
    people verify the proof. `is_test` says whether the data is invented, as in a sandbox."""
    register_fonts()
    output = BytesIO()
    pages = _Pages(Canvas(output, pagesize=A4, lang="fr"), document.title, is_test=is_test)
    pages.text(f"Source : {document.source}", SMALL)
    pages.text(document.title.upper(), LARGE, BOLD, after=2 * mm)
    pages.text(f"Document délivré le {french_day(document.issued_on)}, à valeur justificative", NORMAL)
    pages.text(f"Code de vérification : {code}", NORMAL, BOLD)
    for section in document.sections:
        pages.heading(section.title)
        for rows in section.entries:
            pages.table(rows)
    habilitation = f" (habilitation {document.habilitation})" if document.habilitation else ""
    pages.verification(url, code, f"Émis pour le compte du SIRET {document.siret}{habilitation}.")
    pages.save()
    return output.getvalue()


def register_fonts() -> None:
    """Loads the fonts that come with the PDF library."""
    for font in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(font, f"{font}.ttf"))


class _Pages:
    """Pages of a PDF file, filled from top to bottom."""

    def __init__(self, canvas: Canvas, title: str, *, is_test: bool) -> None:
        self._canvas = canvas
        self._is_test = is_test
        self._number = 0
        self._y = 0.0
        canvas.setTitle(title)
        self._begin()

    def save(self) -> None:
        self._canvas.save()

    def text(self, text: str, size: float, font: str = REGULAR, *, left: float = MARGIN, after: float = 0.0) -> None:
        """Writes a paragraph from `left` to the right margin, with a space of `after` below it. All lengths are in
        points."""
        for line in _lines(text, font, size, WIDTH - MARGIN - left):
            self._need(size * LEADING)
            self._write(line, font, size, left)
        self._y -= after

    def heading(self, text: str) -> None:
        self._need(30 * mm)  # never the last line of a page
        self._y -= 4 * mm
        self.text(text, NORMAL + 1.5, BOLD, after=1 * mm)

    def table(self, rows: Iterable[Row]) -> None:
        """Draws a table with two columns: labels and values."""
        for row in rows:
            self._row(row)
        self._y -= 3 * mm

    def verification(self, url: str, code: str, issued_sentence: str) -> None:
        """Draws the QR code with the address `url`, at which people verify the proof, and instructions beside it. The
        instructions quote `code`, the proof's short code, and end with `issued_sentence`."""
        self._need(QR_SIDE + 8 * mm)
        self._y -= 6 * mm
        bottom, left = self._y - QR_SIDE, MARGIN + QR_SIDE + 6 * mm
        drawing = Drawing(QR_SIDE, QR_SIDE)
        drawing.add(QrCodeWidget(url, barLevel="M", barWidth=QR_SIDE, barHeight=QR_SIDE, barBorder=0))
        renderPDF.draw(drawing, self._canvas, MARGIN, bottom)
        self._canvas.linkURL(url, (MARGIN, bottom, WIDTH - MARGIN, self._y))
        self.text("Vérifier ce document", NORMAL, BOLD, left=left)
        for line in (
            f"Scannez ce code, ou cliquez dessus. La page qui s'ouvre doit être à l'adresse {url.partition('?')[0]}",
            f"Elle doit montrer le code {code} et les mêmes valeurs. Sans elle, ce document ne prouve rien.",
            "Quiconque tient ce document peut ouvrir cette page.",
            issued_sentence,
        ):
            self.text(line, SMALL, left=left)
        self._y = min(self._y, bottom)

    def _row(self, row: Row) -> None:
        width = WIDTH - 2 * MARGIN
        split = width * LABEL_WIDTH
        labels = _lines(row.label, REGULAR, NORMAL, split - 2 * CELL_PADDING)
        values = _lines(row.value, BOLD, NORMAL, width - split - 2 * CELL_PADDING)
        for start in range(0, max(len(labels), len(values), 1), MAX_ROW_LINES):
            self._box(labels[start : start + MAX_ROW_LINES], values[start : start + MAX_ROW_LINES], width, split)

    def _box(self, labels: list[str], values: list[str], width: float, split: float) -> None:
        """Draws a row of a table: the lines of the label at the left, the lines of the value at the right. The row is
        `width` points wide, its left cell `split` points."""
        leading = NORMAL * LEADING
        height = max(len(labels), len(values)) * leading + CELL_PADDING
        self._need(height)
        top = self._y
        self._canvas.setStrokeGray(0.6)
        self._canvas.rect(MARGIN, top - height, width, height)
        self._canvas.line(MARGIN + split, top, MARGIN + split, top - height)
        for lines, font, left in ((labels, REGULAR, MARGIN), (values, BOLD, MARGIN + split)):
            self._y = top - CELL_PADDING / 2
            for line in lines:
                self._write(line, font, NORMAL, left + CELL_PADDING)
        self._y = top - height

    def _write(self, line: str, font: str, size: float, left: float) -> None:
        self._y -= size * LEADING
        self._canvas.setFont(font, size)
        self._canvas.drawString(left, self._y + size * (LEADING - 1), line)

    def _need(self, height: float) -> None:
        """Begins a new page if less than `height` points are left on this one."""
        if self._y - height < FOOTER_HEIGHT:
            self._canvas.showPage()
            self._begin()

    def _begin(self) -> None:
        self._number += 1
        self._y = HEIGHT - MARGIN
        self._canvas.setFont(REGULAR, SMALL)
        self._canvas.drawCentredString(WIDTH / 2, FOOTER_HEIGHT / 2, f"Page {self._number}")
        if self._is_test:
            self.text(TEST_DATA, NORMAL, BOLD, after=2 * mm)


def _lines(text: str, font: str, size: float, width: float) -> list[str]:
    """Breaks a text into lines of at most `width` points. Characters that the font lacks are replaced."""
    lines: list[str] = simpleSplit(drawable(text, font), font, size, width)
    return [part for line in lines for part in _cut(line, font, size, width)]


def _cut(line: str, font: str, size: float, width: float) -> Iterator[str]:
    """Yields a line in pieces of at most `width` points. Only a line that is one long word has more than one piece."""
    start, used = 0, 0.0
    for end, letter in enumerate(line):
        of_letter = pdfmetrics.stringWidth(letter, font, size)
        if used + of_letter > width:
            yield line[start:end]
            start, used = end, 0.0
        used += of_letter
    yield line[start:]


def drawable(text: str, font: str) -> str:
    """Returns a text that can be drawn with a font. Characters that the font lacks are replaced, for example by a
    question mark."""
    # White space is replaced by a space, a letter with an accent by the letter without it. Characters without a width
    # are removed.
    known = cast(TTFont, pdfmetrics.getFont(font)).face.charToGlyph
    composed = unicodedata.normalize("NFC", text)
    return "".join(one if ord(one) in known else _plain(one, known) for one in composed)


def _plain(letter: str, known: dict[int, int]) -> str:
    if letter.isspace():
        return " "
    if unicodedata.category(letter) in WITHOUT_WIDTH:
        return ""
    base = unicodedata.normalize("NFD", letter)[0]
    return base if ord(base) in known else "?"
