"""The glossary is true, and its words are the ones that people read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tuner.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
#: What quotes: the log of decisions, and the claims of tests.
EXEMPT = {"decisions.md", "glossary.md", "mutants.md"}
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in EXEMPT),
]
#: Reasons that earlier releases have stored begin so.
STORED = "cannot go on: "
FORMS = {
    "go on": r"go(es)? on|gone on|going on|went on",
    "mend": r"mend(s|ed|ing)?",
    "foretell": r"foretells?|foretold",
    "historian": r"historians?",
    "hyper-parameter": r"hyper-parameters?",
}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    text = GLOSSARY.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def headings() -> list[str]:
    return re.findall(r"^## (.+)$", GLOSSARY.read_text(), re.MULTILINE)


BANNED = [row[0] for row in rows("Words that are not used")]


def found_in(text: str) -> list[str]:
    """Return the words of a text that are not used."""
    return [
        match[0]
        for word in BANNED
        for match in re.finditer(rf"\b({FORMS.get(word, word)})\b", text, re.IGNORECASE)
    ]


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a module but its docstrings: what may be shown to people."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    left_out: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, documented) and isinstance(node.body[0], ast.Expr):
            left_out.add(node.body[0].value)
        if isinstance(node, ast.JoinedStr):
            left_out |= {part for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def helps(command: typer.core.TyperCommand | typer.core.TyperGroup) -> Iterator[str]:
    yield command.help or ""
    if isinstance(command, typer.core.TyperGroup):
        for child in command.commands.values():
            yield from helps(child)  # type: ignore[arg-type]


def test_every_word_has_a_meaning_and_a_place_that_exists() -> None:
    subjects = [heading for heading in headings() if heading != "Words that are not used"]
    words = [row for subject in subjects for row in rows(subject)]

    assert len(words) > 50
    for word, meaning, place in words:
        assert meaning, word
        assert place.startswith("`"), word
        assert (ROOT / place.strip("`")).exists(), f"{word}: {place}"


def test_every_word_stands_once() -> None:
    words = [word for heading in headings() for row in rows(heading) for word in row[0].split(", ")]

    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_use_the_words_of_the_glossary(page: Path) -> None:
    lines = enumerate(page.read_text().splitlines(), 1)

    assert [f"{page.name}:{n}: {found}" for n, line in lines for found in found_in(line)] == []


def test_help_uses_the_words_of_the_glossary() -> None:
    texts = list(helps(typer.main.get_command(app)))  # type: ignore[arg-type]

    assert len(texts) > 40
    assert [found for text in texts for found in found_in(text)] == []


def test_messages_use_the_words_of_the_glossary() -> None:
    modules = [path for top in ("tuner", "workers") for path in sorted((ROOT / top).rglob("*.py"))]
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {found}: {text[:80]!r}"
        for path in modules
        for line, text in messages(path)
        if " " in text and text != STORED
        for found in found_in(text)
    ]

    assert wrong == []
