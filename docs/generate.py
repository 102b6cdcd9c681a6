"""Write the sources of the site into a folder: the pages of this one, and those that the code and
the repository write.

    python docs/generate.py build/docs

Tables of magics, commands, settings, error codes and metrics are not committed, so they cannot be
out of date.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nbconvert import HTMLExporter

from qfnb.base import language

ROOT = Path(__file__).parents[1]
REPOSITORY_PAGES = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CONTRIBUTING.zh.md": "project/contributing.zh.md",
    "FIDELITY.md": "project/fidelity.md",
    "SECURITY.md": "project/security.md",
}


def main() -> None:
    """Write the sources anew."""
    language.choose_language("en")  # the reference is in one language
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "docs", target, ignore=shutil.ignore_patterns("*.py"))
    for page in target.rglob("*.md"):
        text = link_to_html(page.read_text(encoding="utf-8")).replace(
            "(../../notebooks/", "(../notebooks/"
        )
        for source, copied in REPOSITORY_PAGES.items():
            text = text.replace(f"(../../{source})", f"(../{copied})")
        write(page, text)
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        html, _ = HTMLExporter().from_filename(notebook)
        write(target / "notebooks" / link_to_html(notebook.name), link_to_html(html))
    for source, page in REPOSITORY_PAGES.items():
        write(target / page, link_to_pages((ROOT / source).read_text(encoding="utf-8")))
    for page, blocks in REFERENCE_PAGES.items():
        write(target / "reference" / page, "\n\n".join(blocks()))


def write(path: Path, text: str) -> None:
    """Write a page, and its folder where that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def link_to_html(text: str) -> str:
    """Return a text with links to notebooks as HTML; ".zh" in a name would make it a translation of
    the other.
    """
    return text.replace(".zh.ipynb", "-zh.html").replace(".ipynb", ".html")


def link_to_pages(text: str) -> str:
    """Return a text of the repository with links to the pages of such texts, and without one to its
    translation.
    """
    for source, page in REPOSITORY_PAGES.items():
        text = text.replace(f"]({source}", f"]({Path(page).name}")
    return re.sub(r"(?m)^\[(?:中文|English)\]\(.*\)\n\n", "", text)


def magics() -> Iterator[str]:
    """Yield one section for each magic: its help."""
    from qfnb.notebook import auth, batch, chat, evaluate, image, train

    yield "# Magics"
    yield (
        "`%%qfchat --help` shows this in a notebook. The text of a cell is sent as it is: "
        "`{}`, `$` and quotes too."
    )
    for module in (chat, batch, train, evaluate, image, auth):
        parser = module.PARSER
        yield f"## {parser.prog}\n\n```text\n{parser.format_help().strip()}\n```"


def settings() -> Iterator[str]:
    """Yield the page of settings."""
    import griffe

    from qfnb.config import Settings

    described = griffe.load("qfnb.config")["Settings"].attributes

    yield "# Settings"
    yield (
        "In the environment, in the file that `QIANFAN_DOT_ENV_CONFIG_FILE` names, or on "
        "`qfnb.get_config()`."
    )
    rows = [("in Python", "in the environment", "default", "")]
    for name, field in Settings.model_fields.items():
        default = f"`{field.default}`" if str(field.default).strip("*") else ""
        rows.append(
            (f"`{name}`", f"`QIANFAN_{name.upper()}`", default, described[name].docstring.value)
        )
    yield table(
        *rows,
        (
            "`lang`",
            "`QFNB_LANG`",
            "as the locale",
            "The language of messages, panels and reports: `zh` or `en`.",
        ),
    )


def error_codes() -> Iterator[str]:
    """Yield the page of the platform's error codes."""
    from qfnb.wire.error_codes import CODES

    yield "# Error codes"
    yield (
        "What the platform's codes mean, and what to do. An `APIError` has its code as "
        "`error_code`."
    )
    codes = sorted(CODES.items(), key=lambda item: (isinstance(item[0], str), item[0]))
    yield table(
        ("code", "kind", "what to do"),
        *((f"`{code}`", row.kind, language.tr(row.hint)) for code, row in codes),
    )


def metrics() -> Iterator[str]:
    """Yield the page of metrics and recipes."""
    from qfnb.metrics import recipes

    yield "# Metrics"
    yield str(recipes.__doc__)
    names = list(recipes.RECIPES)
    rows = [
        [
            f"`{metric}`",
            *(recipes.describe(metric, name).partition("[")[2].strip("]") for name in names),
        ]
        for metric in recipes.METRICS
    ]
    yield table(["metric", *names], *rows)


def command_line() -> Iterator[str]:
    """Yield the page of the command line: the help of every command."""
    from qfnb.cli import main
    from qfnb.cli.app import COMMANDS

    os.environ["COLUMNS"] = "100"
    yield "# Command line"
    for words in ((), *((name,) for name in COMMANDS.commands)):
        yield f"## {' '.join(('qfnb', *words))}\n\n```text\n{_printed(main, [*words, '--help'])}\n```"


def _printed(run: Callable[[Sequence[str]], object], arguments: Sequence[str]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        run(arguments)
    return printed.getvalue().strip()


def table(*rows: Sequence[str]) -> str:
    """Return a Markdown table; its first row is the head."""
    head, *body = [
        f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in row)} |"
        for row in rows
    ]
    return "\n".join([head, f"|{' --- |' * len(rows[0])}", *body])


REFERENCE_PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "magics.md": magics,
    "command-line.md": command_line,
    "settings.md": settings,
    "errors.md": error_codes,
    "metrics.md": metrics,
}

if __name__ == "__main__":
    main()
