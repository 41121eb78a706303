"""docs/reading-path.md stays short, and states its true length."""

import ast
import io
import re
import tokenize
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/reading-path.md"
TEXT = PAGE.read_text("utf-8")
ROWS = re.findall(r"^\| (\d+) \| \[.+?\]\((\.\./.+?)\)", TEXT, re.MULTILINE)
MAX_FILES = 25
MAX_CODE_LINES = 2500
ROUNDED_TO_LINES = 100


def test_the_path_has_at_most_25_files_and_2500_lines_of_code() -> None:
    """Its first paragraph states both; the number of lines is rounded."""
    stated = re.search(r"(\d+) files, about ([\d,]+) lines of code", TEXT)
    assert stated
    lines = sum(_count_code_lines((PAGE.parent / path).read_text("utf-8")) for _, path in ROWS)
    assert [int(number) for number, _ in ROWS] == list(range(1, int(stated[1]) + 1))
    assert len(ROWS) <= MAX_FILES
    assert lines <= MAX_CODE_LINES
    assert abs(lines - int(stated[2].replace(",", ""))) <= ROUNDED_TO_LINES


def test_only_code_is_counted() -> None:
    """Blank lines, comments and docstrings are not."""
    assert _count_code_lines('"""Module."""\n\n# why\nx = (\n    1\n)\n') == 3


def _count_code_lines(source: str) -> int:
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    ignored = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in ignored | {tokenize.ENDMARKER}
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - docstrings)
