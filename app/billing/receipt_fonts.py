"""The fonts of receipts: those that a text needs, cut down to its letters.

HarfBuzz maps each font once for the process and cuts it in a few milliseconds; fpdf2 would parse
a whole font for each receipt, which takes half a second with Chinese letters.
"""

import logging
import unicodedata
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from string import printable
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import NamedTuple

import fontpkg_fira_sans
import fontpkg_heebo
import fontpkg_ibm_plex_sans_arabic
import fontpkg_noto_sans_devanagari
import fontpkg_noto_sans_thai
import noto_cjk_sans_otc
import uharfbuzz
from fpdf import FPDF

CORE = "helvetica"
"""The family that every PDF reader has, for Western European text; it is not embedded."""

SUBSTITUTE = "\u25a1"
"""A box, drawn for each letter that no font has."""

_WEIGHTS = {"": 400.0, "B": 700.0}

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs the letters of names


class Font(NamedTuple):
    """A font family. `bold` is None where the regular font is used for both."""

    family: str
    regular: Path
    bold: Path | None = None
    face: int = 0
    """The place of the font in a collection."""


def _file(package: ModuleType, name: str) -> Path:
    return Path(package.ROOT) / "files" / name


_LATIN = Font(
    "latin",
    _file(fontpkg_fira_sans, "FiraSans-Regular.ttf"),
    _file(fontpkg_fira_sans, "FiraSans-Bold.ttf"),
)
_SIMPLIFIED_CHINESE = 2
FONTS = (
    _LATIN,
    Font("arabic", _file(fontpkg_ibm_plex_sans_arabic, "IBMPlexSansArabic-Regular.ttf")),
    Font("hebrew", _file(fontpkg_heebo, "Heebo[wght].ttf")),
    Font("thai", _file(fontpkg_noto_sans_thai, "NotoSansThai[wdth,wght].ttf")),
    Font("devanagari", _file(fontpkg_noto_sans_devanagari, "NotoSansDevanagari[wdth,wght].ttf")),
    Font("cjk", Path(str(noto_cjk_sans_otc.FONT_PATH)), face=_SIMPLIFIED_CHINESE),
)
"""Latin, Greek and Cyrillic; Arabic; Hebrew; Thai; Hindi; Chinese, Japanese and Korean."""


def drawable(text: str) -> str:
    """The text with SUBSTITUTE for each letter that no font has.

    Characters that only change the look of others, such as joiners, are left out where no font has
    them.
    """
    return text if text.isascii() else "".join(_drawable(each) for each in text)


def add_fonts(pdf: FPDF, text: str, resources: ExitStack) -> str:
    """Add the fonts that `text` needs; returns the family to use.

    `text` is as `drawable` returns it. The files of the fonts are in a temporary folder, which has
    to stay until the PDF has been made: `resources` removes it.
    """
    if all(character <= "\xff" for character in text):
        return CORE
    letters = {ord(each) for each in text + printable}
    needed = {_LATIN, *map(_font_of, set(text))}
    used = [font for font in FONTS if font in needed]
    folder = Path(resources.enter_context(TemporaryDirectory()))
    for font in used:
        for style, path in (("", font.regular), ("B", font.bold)):
            if path:
                file = folder / f"{font.family}{style}.otf"
                file.write_bytes(_cut(path, font.face, style, letters))
                pdf.add_font(font.family, style, file)
    pdf.set_fallback_fonts([font.family for font in used[1:]], exact_match=False)
    if len(used) > 1:
        pdf.set_text_shaping(use_shaping_engine=True)
    return _LATIN.family


def _drawable(character: str) -> str:
    if character <= "\xff" or _font_of(character):
        return character
    return "" if unicodedata.category(character) in ("Cf", "Mn", "Me") else SUBSTITUTE


@cache
def _letters(font: Font) -> frozenset[int]:
    return frozenset(_face(font.regular, font.face).unicodes)


def _font_of(character: str) -> Font | None:
    """The first font that has the character."""
    return next((font for font in FONTS if ord(character) in _letters(font)), None)


@cache
def _face(path: Path, index: int) -> uharfbuzz.Face:
    return uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path)), index)


def _cut(path: Path, index: int, style: str, letters: set[int]) -> bytes:
    """The font with these letters only, and of one weight."""
    face, wanted = _face(path, index), uharfbuzz.SubsetInput()
    wanted.unicode_set.update(letters)
    if face.has_var_data:
        wanted.pin_all_axes_to_default(face)
        wanted.pin_axis_location(face, "wght", _WEIGHTS[style])
    return bytes(uharfbuzz.subset(face, wanted).blob.data)
