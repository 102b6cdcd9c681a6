"""Run notebooks headless against the sandbox, show progress, and write an HTML page or the outputs.

    python notebooks/run.py 00_quickstart.ipynb --html build/quickstart.html
    python notebooks/run.py 00_quickstart.ipynb --save        (refresh the committed outputs)

It uses a sandbox of its own, which it stops at the end, and no key of yours.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main() -> int:
    """Run what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description="Run a notebook against the sandbox.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--html", type=Path, help="write the executed notebook as a page")
    parser.add_argument(
        "--save", action="store_true", help="write the outputs into the notebook itself"
    )
    options = parser.parse_args()
    path = options.notebook if options.notebook.exists() else HERE / options.notebook
    with tempfile.TemporaryDirectory(prefix="qfnb-demo-") as state:
        _isolate(state, language="zh" if path.stem.endswith(".zh") else "en")
        try:
            notebook = execute(path)
        finally:
            from qfnb.sandbox import stop

            stop()
    if options.save:
        save(notebook, path)
    if options.html:
        write_html(notebook, options.html)
        print(f"\nThe executed notebook: {options.html.resolve()}")
    return 0


def execute(path: Path) -> Any:
    """Run a notebook, one line per cell."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    done = 0
    started = time.perf_counter()

    def report_cell(cell: Any, cell_index: int) -> None:
        nonlocal done
        if cell.cell_type != "code":
            return
        done += 1
        first = next((line for line in cell.source.splitlines() if line.strip()), "")
        print(
            f"[{done:2d}/{total}] {time.perf_counter() - started:5.1f} s  {first[:70]}", flush=True
        )

    client = NotebookClient(
        notebook,
        timeout=180,
        kernel_name="python3",
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=report_cell,
    )
    client.execute()
    print(f"finished in {time.perf_counter() - started:.1f} s")
    return notebook


def save(notebook: Any, path: Path) -> None:
    """Write the outputs without what changes at every run."""
    import nbformat

    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, path)


def write_html(notebook: Any, path: Path) -> None:
    """Write a page that needs no kernel and no network."""
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_notebook_node(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body, encoding="utf-8")


def _isolate(state: str, language: str) -> None:
    for name in [name for name in os.environ if name.startswith(("QIANFAN_", "OPENAI_"))]:
        del os.environ[name]
    os.environ |= {"QFNB_STATE_DIR": state, "QFNB_DISPLAY": "static", "QFNB_LANG": language}


if __name__ == "__main__":
    sys.exit(main())
