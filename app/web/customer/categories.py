"""The categories above the products of the shop: which there are, and which are shown first."""

from collections.abc import Mapping
from typing import NamedTuple

from app.inventory.documents import PRODUCTS
from app.kernel.text_search import fold
from app.store import IndexValue, Store

MAX_CATEGORIES = 60
"""Categories on the page; a search finds the products of the others, too."""
FIRST_CATEGORIES = 6
"""Categories beside each other; the others are behind “more categories”."""
_MAX_CHARS = 100
"""Characters of a category in an address that count; the schema of products has the same bound."""


class Category(NamedTuple):
    """One category: all spellings that are equal when case and accents are folded.

    `key` is the folded text, `name` the spelling that most of its `products` have.
    """

    key: str
    name: str
    products: int
    spellings: frozenset[IndexValue]


class Categories(NamedTuple):
    """The largest categories (`first`), and the `others`, each in the order of the alphabet.

    `chosen` is the one whose products are shown; None for those of all, which are `total`.
    `is_cut` tells that there are more.
    """

    first: list[Category]
    others: list[Category]
    chosen: Category | None
    total: int
    is_cut: bool


def categories(store: Store, typed: str) -> Categories:
    """Return the categories of the products for sale; `typed` names the chosen one, if any.

    The cost grows with the number of categories, not with that of products.
    """
    with store.read() as view:
        counts = view.count_values(PRODUCTS.name, "category")
        total = view.count(PRODUCTS.name, {"archived": 0})
    typed = typed[:_MAX_CHARS].strip()
    known = _group(counts)
    key = _key(typed)
    chosen = known.get(key) or Category(key, typed, 0, frozenset())
    by_size = sorted(
        known.values(), key=lambda each: (each is not chosen, -each.products, each.key)
    )
    first, others = by_size[:FIRST_CATEGORIES], by_size[FIRST_CATEGORIES:MAX_CATEGORIES]
    return Categories(
        sorted(first), sorted(others), chosen if typed else None, total, len(known) > MAX_CATEGORIES
    )


def _group(counts: Mapping[IndexValue, int]) -> dict[str, Category]:
    """Return the categories by key."""
    spellings: dict[str, list[str]] = {}
    for spelling in map(str, counts):
        spellings.setdefault(_key(spelling), []).append(spelling)
    return {
        key: Category(
            key,
            max(equal, key=lambda each: (counts[each], each)),
            sum(counts[each] for each in equal),
            frozenset(equal),
        )
        for key, equal in spellings.items()
    }


def _key(text: str) -> str:
    """Return the text folded; as it is where nothing is left of it, as of an accent alone."""
    return fold(text) or text
