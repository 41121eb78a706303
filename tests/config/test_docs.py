"""docs/configuration.md lists every setting, no removed one, and the true defaults."""

import re
from dataclasses import fields
from pathlib import Path

from app.cli.config import format_setting
from app.config import PREFIX, Config
from app.config.data_folder import default_folder
from app.config.readers import MAILS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text("utf-8")
ROWS = {
    match[1]: [cell.strip() for cell in match[0].strip("|").split("|")]
    for match in re.finditer(rf"^\| `({PREFIX}[A-Z_]+)` \|.*\|$", PAGE, re.MULTILINE)
}
VARIABLES = {PREFIX + field.name.upper(): field.name for field in fields(Config)}


def test_every_setting_is_documented_and_no_removed_one() -> None:
    """The order is that of the settings in app/config/."""
    assert list(ROWS) == list(VARIABLES)


def test_documented_defaults_are_true() -> None:
    for variable, (_, meaning, _, _, default) in ROWS.items():
        assert meaning
        if variable != "DAYBOOK_MAILS":
            in_force = format_setting(VARIABLES[variable], _default(variable))
            assert default.split(" (")[0] == f"`{in_force}`"
    assert set(MAILS) - Config().mails == set(re.findall("`(.+)`", ROWS["DAYBOOK_MAILS"][-1]))


def test_no_other_page_names_a_removed_setting() -> None:
    """Checks the README, the pages in docs/ and the files in deploy/."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*")]
    for page in (page for page in pages if page.is_file()):
        named = set(re.findall(rf"{PREFIX}[A-Z]+(?:_[A-Z]+)*\b", page.read_text("utf-8")))
        assert named <= VARIABLES.keys(), page.name


def _default(variable: str) -> object:
    if variable == "DAYBOOK_DATA":  # the program's folder may hold a shop
        return default_folder().relative_to(ROOT)
    return getattr(Config(), VARIABLES[variable])
