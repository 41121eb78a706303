"""Countries: the two-letter codes of ISO 3166-1 (alpha-2), with English names."""

import pycountry

from app.kernel.text_search import fold


def _name(country: pycountry.db.Country) -> str:
    """South Korea rather than Korea, Republic of."""
    return str(getattr(country, "common_name", country.name))


_NAMES = {each.alpha_2: _name(each) for each in pycountry.countries}

COUNTRIES = dict(sorted(_NAMES.items(), key=lambda country: fold(country[1])))
"""The name of each country by its code, in the order of the names."""


def country_name(code: str) -> str:
    """The name of a country; the code itself when the standard no longer has it."""
    return COUNTRIES.get(code, code)
