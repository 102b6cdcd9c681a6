"""Saved outputs in what nbconvert makes of a notebook: every chart is there, those in folds too."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import playwright
import pytest
from nbconvert import HTMLExporter, MarkdownExporter
from pypdf import PdfReader
from support.jupyterlab import CHROMIUM
from support.reports import build_report
from support.training_progress import DEPLOYED

from qfnb.views.evaluation import report as report_view
from qfnb.views.training import panel

PLAYWRIGHT_BROWSERS = Path(playwright.__file__).parent / "driver" / "package" / "browsers.json"


@pytest.fixture(scope="module")
def notebook():
    report = build_report(
        {"base": [0.1, 0.4, 0.3] * 10, "tuned": [0.9, 0.6, 0.7] * 10}, metrics=("m", "other")
    )
    pages = (panel.bundle(DEPLOYED)["text/html"], report_view.bundle(report)["text/html"])
    outputs = [
        nbformat.v4.new_output("display_data", data={"text/html": str(page)}) for page in pages
    ]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("shown", outputs=outputs)])


def chart_words(notebook) -> set[str]:
    """The words of all charts of a notebook, tick labels included."""
    html = "".join(output.data["text/html"] for output in notebook.cells[0].outputs)
    return {
        word.strip()
        for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL)
        for word in re.findall(r"<text[^>]*>([^<]+)", svg)
    }


@pytest.mark.parametrize("exporter", [HTMLExporter, MarkdownExporter])
def test_a_page_keeps_every_chart(exporter, notebook):
    page, _ = exporter().from_notebook_node(notebook)
    saved = "".join(output.data["text/html"] for output in notebook.cells[0].outputs)
    assert page.count("<svg") == saved.count("<svg") > 4


@pytest.mark.browser
def test_a_pdf_shows_every_chart_those_in_folds_too(tmp_path, notebook):
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    nbformat.write(notebook, tmp_path / "saved.ipynb")
    options = "-m nbconvert --to webpdf --disable-chromium-sandbox saved.ipynb"
    command = [sys.executable, *options.split()]
    environment = os.environ | {
        "PLAYWRIGHT_BROWSERS_PATH": str(playwright_browsers(tmp_path / "browsers"))
    }
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    text = " ".join(page.extract_text() for page in PdfReader(tmp_path / "saved.pdf").pages)
    words = chart_words(notebook)
    assert len(words) > 10
    assert {word for word in words if word not in text} == set()


def playwright_browsers(folder: Path) -> Path:
    """Return a folder in which Playwright takes the installed browser for the one that it would
    have downloaded.
    """
    browsers = json.loads(PLAYWRIGHT_BROWSERS.read_text(encoding="utf-8"))["browsers"]
    revision = next(
        browser["revision"] for browser in browsers if browser["name"] == "chromium-headless-shell"
    )
    program_folder = (
        folder / f"chromium_headless_shell-{revision}" / "chrome-headless-shell-linux64"
    )
    program_folder.mkdir(parents=True)
    program = program_folder / "chrome-headless-shell"
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(CHROMIUM)} --headless "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    return folder
