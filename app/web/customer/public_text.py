"""The check of strangers' text that goes into a mail: it must not have a web or e-mail address.

Anybody can order for somebody else's address, and mail programs turn addresses in a text into
links, so the shop's mail would carry a stranger's link to that person.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache

from publicsuffixlist import PublicSuffixList

from app.http.security.identity import current
from app.kernel.errors import Invalid, Problem
from app.kernel.identity import PUBLIC

RULE = "must not have a web or e-mail address in it; put a space after a dot"

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that nobody sees (Default_Ignorable_Code_Point); a host may be split by one."""

_ADDRESS = re.compile(r"://|\\\\|www\.|xn--|\S@\S|\d\.\d+\.\d+\.\d")
"""A scheme, a Windows share, the beginning of a host, an e-mail address, or an IPv4 address."""

_AFTER_DOT = re.compile(r"(?<=[^\s.])\.([a-z0-9]+|[^\s.]+)")
"""A label, perhaps a top-level domain; letters of another script may follow without a space."""


def refuse_addresses(document: Mapping[str, object], *names: str) -> None:
    """Raise Invalid when one of these fields, sent by an anonymous caller, has an address.

    A field may be an object or a list of texts.
    """
    if current() is not PUBLIC:
        return
    sent = {name: document.get(name, "") for name in names}
    found = [pointer for pointer, text in _texts("", sent) if has_address(text)]
    if found:
        raise Invalid([Problem(pointer, RULE) for pointer in found])


def _texts(pointer: str, value: object) -> Iterator[tuple[str, str]]:
    """The texts of a JSON value, each with the pointer to it."""
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in members:
            yield from _texts(f"{pointer}/{name}", inner)
    else:
        yield pointer, str(value)


def has_address(text: str) -> bool:
    """Whether mail programs may turn a part of the text into a link.

    A dot between words counts when a top-level domain follows it ("Dr.Smith" has none). The text is
    read as browsers read a host (UTS 46). A schema has bounded its length, because normalize takes
    quadratic time.
    """
    normal = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    normal = normal.replace("。", ".").lower()
    words = "".join(each if each == "." or _is_in_word(each) else " " for each in normal)
    return bool(_ADDRESS.search(normal)) or any(map(_is_top_level, _AFTER_DOT.findall(words)))


def _is_in_word(character: str) -> bool:
    """Whether it is a letter, a mark or a digit."""
    return unicodedata.category(character)[0] in "LMN"


def _is_top_level(label: str) -> bool:
    return _public_suffixes().publicsuffix(label) is not None


@cache
def _public_suffixes() -> PublicSuffixList:
    """Mozilla's Public Suffix List, which has all top-level domains; reading it takes 50 ms."""
    return PublicSuffixList(accept_unknown=False)
