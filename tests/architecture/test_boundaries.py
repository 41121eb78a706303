"""Each collection has an owner: other packages read it through the owner's queries.

import-linter holds the imports (pyproject.toml); these tests hold the names.
"""

import ast
from collections.abc import Iterator, Set
from pathlib import Path

import app
from app import COLLECTIONS

ROOT = Path(app.__file__).parent
SERVICES = ("orders", "inventory", "billing", "shipping", "notification")
ACCESS = frozenset({"get", "find", "count", "scan", "keys", "put", "delete", "follow"})


def test_no_package_names_the_collection_of_another() -> None:
    """Code outside its owner never passes a collection's name as a string to the store."""
    owners = dict(_owners())
    assert {each.name for each in COLLECTIONS} <= owners.keys()
    found = [
        f"{path.relative_to(ROOT)}:{line} names {name!r}, which belongs to app/{owners[name]}"
        for path in ROOT.rglob("*.py")
        for line, name in _named(path.read_text(), owners.keys())
        if _package(path) != owners[name]
    ]
    assert found == []


def test_a_named_collection_is_found() -> None:
    """The search sees a name in each way that the store is accessed, and no other strings."""
    accesses = 'tx.get("orders", key)\nview.find("orders")\n'
    others = 'view.get(ORDERS.name, "orders")\nrender("orders")\n'
    assert list(_named(accesses + others, {"orders"})) == [(1, "orders"), (2, "orders")]


def test_only_routes_see_the_request() -> None:
    """Of a domain service, nothing but routes.py imports Flask."""
    importing = {
        str(path.relative_to(ROOT))
        for service in SERVICES
        for path in (ROOT / service).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "flask"
    }
    assert importing == {f"{each}/routes.py" for each in SERVICES if each != "notification"}


def _owners() -> Iterator[tuple[str, str]]:
    """Each collection's name and the package that defines it."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Collection":
                for argument in node.keywords:
                    if argument.arg == "name" and isinstance(argument.value, ast.Constant):
                        yield str(argument.value.value), _package(path)


def _named(source: str, names: Set[str]) -> Iterator[tuple[int, str]]:
    """The lines that pass one of `names` first to a method of the store."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ACCESS and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and first.value in names:
                yield node.lineno, str(first.value)


def _package(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]
