"""Take every panel, card, form, report and error in both languages, themes and two widths: `make
screens`.

Live outputs are taken once more after a restart of their kernel, and in the notebook that is opened
again. Writes docs/pictures/screens/NAME.png, a sheet of all pictures of one screen, and the page
docs/project/screens.md.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from support.jupyterlab import Notebook
from support.messages import compile_stale_catalogue
from take_pictures import PICTURES, open_notebook

from qfnb.sandbox import stop

ROOT = Path(__file__).parents[1]
SCREENS = PICTURES / "screens"
PAGE = ROOT / "docs" / "project" / "screens.md"
THEMES = ("Light", "Dark")
WIDTHS = (1280, 600)
GAP = 12
CUT_AT = 700
"""Height of the pictures without a kernel at most: below are the same rows as above."""

CHANGE_THEME = """theme => window.jupyterapp.commands.execute("apputils:change-theme", {theme})"""
Screen = tuple[str, str, str]
"""Name, what it is, the cell that shows it."""

SETUP = f"""%load_ext qfnb
import os, time, warnings
os.chdir({str(ROOT / "notebooks")!r})
import pandas as pd
import qfnb
from qfnb import Dataset, DeployConfig, LLMFinetune, Service, TrainConfig
from qfnb.sandbox import ensure, process
train, held_out = Dataset.load("data/teahouse_train.jsonl"), Dataset.load("data/teahouse_heldout.jsonl")
few = Dataset(train.rows[:96], name="few")
many = Dataset(train.rows * 8, name="many")
base = Service(model="ernie-4.5-turbo-128k", name="base")
def weather(city: str) -> dict:
    "Weather of a city."
    return {{"city": city, "sky": "rain", "temperature": 17}}
def fault(**rule):
    process.control_request(ensure(), "POST", "/_sandbox/faults", {{"endpoint": "chat.v2", **rule}})
"""

SCREENS_OF_CHAT: tuple[Screen, ...] = (
    ("chat", "An answer", "%%qfchat\n你是谁，能做什么？"),
    ("chat-thinking", "Reasoning, folded", "%%qfchat --think high -m ernie-5.1\n17 * 23 = ?"),
    (
        "chat-tools",
        "A function of the notebook is called",
        "%%qfchat --tools weather\nweather of Hangzhou?",
    ),
    (
        "chat-compare",
        "Several models, one of them unknown",
        "%%qfchat -m ernie-4.5-turbo-128k,no-such-model\n你是谁",
    ),
    ("chat-error", "An error of the platform", "%%qfchat -m no-such-model\n你是谁"),
    ("chat-mistake", "A mistake in an option", "%%qfchat --temperatur 1\n你是谁"),
    (
        "error",
        "An error of the library",
        "LLMFinetune('ERNIE-4.5-Turbo-128K', few, TrainConfig(epoch=-3)).run()",
    ),
    ("image", "Pictures", "%%qfimage -n 2 --size 768x768 --seed 3\n月亮和山"),
)
SCREENS_OF_TRAINING: tuple[Screen, ...] = (
    ("dataset", "A dataset", "few"),
    ("form", "The form", "%qftrain new few"),
    ("form-mistakes", "The form with mistakes", "%qftrain new nothing"),
    (
        "training-done",
        "A training that is over",
        "%qftrain start -d few --epoch 5 -o tuned_run --again\n%qftrain wait tuned_run",
    ),
    (
        "training-same",
        "The same training once more",
        "%qftrain start -d few --epoch 5 -o tuned_run",
    ),
    (
        "training-stopped",
        "A training that was stopped",
        (
            "%qftrain start -d train --epoch 50 -o long --again\n"
            "while len(long.progress.points) < 60: time.sleep(0.5)\nlong.stop(); long.wait(60)"
        ),
    ),
    ("training-list", "All trainings", "%qftrain list"),
    ("training-compare", "Two trainings", "%qftrain compare long tuned_run"),
    (
        "sweep",
        "A sweep of settings",
        (
            "asked = Dataset(held_out.rows[:24], name='asked')\n"
            "%qftrain sweep -d few --grid epoch=1,5 --eval asked -o grid\n%qftrain wait grid"
        ),
    ),
    ("service", "A service", "%qftrain deploy tuned_run --suffix screens\n%qftrain wait tuned_run"),
)
LIST_OF_BATCHES = """\
fault(fault="slow", times=None, seconds=2, id="slow")
%qfbatch train --prompt "B {prompt}" --name cancelled
time.sleep(4)
%qfbatch cancel cancelled
%qfbatch list"""
SCREENS_OF_BATCHES: tuple[Screen, ...] = (
    (
        "batch-done",
        "A batch that is over",
        (
            'rows = train.to_pandas().head(120)\n%qfbatch rows --prompt "{prompt}" --name done -o '
            "b\n%qfbatch wait"
        ),
    ),
    (
        "batch-failures",
        "A batch with failed rows",
        (
            'fault(fault="status", times=7, status=400)\n'
            '%qfbatch rows --prompt "A {prompt}" --canary 0 --name failures -o f\n%qfbatch wait'
        ),
    ),
    ("batch-mistake", "A column that does not exist", '%qfbatch rows --prompt "{promt}"'),
    ("batch-list", "All batches", LIST_OF_BATCHES),
)
SCREENS_OF_EVALUATION: tuple[Screen, ...] = (
    (
        "evaluation",
        "A comparison",
        (
            'tuned = tuned_run.output["service"]\n%qfeval base tuned -d held_out -o report\n%qfeval '
            "wait"
        ),
    ),
    (
        "prompts",
        "Prompts and models, two answers to each question",
        (
            'templates = {"plain": "{prompt}", "brief": "用一句话回答：{prompt}"}\n'
            "qfnb.compare(dataset=asked, models=[base, tuned], prompts=templates, n=2)"
        ),
    ),
    ("samples", "Question by question", "%qfeval browse report -o view"),
    ("labels", "Labels of a person", "qfnb.label(report)"),
    ("home", "What there is", "%qf"),
    ("keys", "Keys and default models", "%qfauth"),
    ("models", "Models", "qfnb.models()"),
    ("usage", "What was used", "qfnb.usage()"),
)
SCREENS_AT_WORK: tuple[Screen, ...] = (
    (
        "training-running",
        "A training at work",
        (
            "%qftrain start -d many --epoch 50 -o endless --again\n"
            "while len(endless.progress.points) < 60: time.sleep(0.5)"
        ),
    ),
    (
        "sweep-running",
        "A sweep at work",
        "%qftrain sweep -d many --grid epoch=40,49 -o wide\ntime.sleep(8)",
    ),
    (
        "batch-running",
        "A batch at work",
        '%qfbatch train --prompt "C {prompt}" --name running\ntime.sleep(8)',
    ),
    (
        "evaluation-running",
        "A comparison at work",
        (
            "%qfeval base tuned -d train\ntime.sleep(8)\n"
            'process.control_request(ensure(), "DELETE", "/_sandbox/faults/slow")\n'
            'fault(fault="stall", after=12, times=None)'
        ),
    ),
    (
        "chat-running",
        "Two answers that come",
        "%%qfchat -m ernie-4.5-turbo-128k,ernie-5.1\n写一首很长的诗",
    ),
)
"""They are at work when the kernel ends: the last cells; the very last one does not end."""

ALL = (
    SCREENS_OF_CHAT
    + SCREENS_OF_TRAINING
    + SCREENS_OF_BATCHES
    + SCREENS_OF_EVALUATION
    + SCREENS_AT_WORK
)
LIVE = {
    *(
        "chat",
        "chat-compare",
        "form",
        "training-done",
        "sweep",
        "service",
        "batch-done",
        "evaluation",
        "samples",
    ),
    *("labels", "image", *(name for name, _, _ in SCREENS_AT_WORK)),
}
"""Screens that are taken without their kernel too."""


def main() -> None:
    """Take all sheets, or those that are named."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    compile_stale_catalogue()
    names = set(sys.argv[1:]) or {name for name, _, _ in ALL}
    rows: dict[str, list[list[Image.Image]]] = {name: [] for name, _, _ in ALL if name in names}
    for language in ("en", "zh"):
        with tempfile.TemporaryDirectory(prefix="qfnb-screens-") as state:
            os.environ |= {
                "QFNB_STATE_DIR": state,
                "QIANFAN_PLATFORM": "sandbox",
                "QFNB_LANG": language,
            }
            take(rows)
            stop()
    for name, pictures in rows.items():
        save_sheet(pictures, SCREENS / f"{name}.png")
    write_page()


def take(rows: dict[str, list[list[Image.Image]]]) -> None:
    """Run all cells in one language; picture what each shows, then the live outputs without their
    kernel.
    """
    numbers = {name: number for number, (name, _, _) in enumerate(ALL, 1)}
    live = {name: numbers[name] for name in rows if name in LIVE}
    with open_notebook({"setup": SETUP, **{name: source for name, _, source in ALL}}) as notebook:
        run(notebook, 0)
        for name, number in numbers.items():
            run(notebook, number)
            if name in rows:
                picture(notebook, {name: number}, rows)
                print(name, flush=True)
        notebook.restart()
        picture(notebook, live, rows, CUT_AT)
        notebook.save()
        notebook.reload()
        notebook.page.wait_for_selector("#jp-main-statusbar >> text=/\\| Idle/", timeout=180_000)
        picture(notebook, live, rows, CUT_AT)


def run(notebook: Notebook, number: int) -> None:
    """Run a cell to its end, the last one until it shows something."""
    notebook.cell(number).locator(".cm-content").click()
    notebook.page.keyboard.press("Shift+Enter")
    if number < len(ALL):
        notebook.idle(300)
    else:
        notebook.output(number).locator("[data-qf-press]").first.wait_for()
    notebook.page.wait_for_timeout(1500)


def picture(
    notebook: Notebook,
    numbers: dict[str, int],
    rows: dict[str, list[list[Image.Image]]],
    max_height: int = 6000,
) -> None:
    """Append a row of pictures to each screen: its output, whose cell has a number, in both themes
    and widths.
    """
    for name in numbers:
        rows[name].append([])
    for theme in THEMES:
        notebook.page.evaluate(CHANGE_THEME, f"JupyterLab {theme}")
        for width in WIDTHS:
            notebook.page.set_viewport_size({"width": width, "height": 3000})
            notebook.page.wait_for_timeout(700)
            for name, number in numbers.items():
                shot = Image.open(io.BytesIO(notebook.output(number).screenshot()))
                height = min(shot.height, max_height)
                rows[name][-1].append(shot.convert("RGB").crop((0, 0, shot.width, height)))


def save_sheet(rows: list[list[Image.Image]], path: Path) -> None:
    """Save the pictures of a screen as one: light beside dark, wide beside narrow."""
    widths = [max(row[column].width for row in rows) for column in range(4)]
    heights = [max(one.height for one in row) for row in rows]
    sheet = Image.new("RGB", (sum(widths) + 3 * GAP, sum(heights) + (len(rows) - 1) * GAP), "#888")
    for number, row in enumerate(rows):
        for column, one in enumerate(row):
            sheet.paste(
                one, (sum(widths[:column]) + GAP * column, sum(heights[:number]) + GAP * number)
            )
    sheet.quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)


def write_page() -> None:
    """Write the page that shows all sheets."""
    sections = [
        f"## {title}\n\n`{name}`\n\n[![{title}](../pictures/screens/{name}.png)](../pictures/screens/{name}.png)\n"
        for name, title, _ in ALL
    ]
    head = (
        "# Every screen\n\nTaken by `make screens` from the running product on the sandbox: "
        "English above Chinese; "
        "light at 1280 and 600 pixels, then dark at 1280 and 600. A live output has three rows in "
        "each language: "
        "alive; after a restart of the kernel; in the notebook that is opened again.\n\n"
    )
    PAGE.write_text(head + "\n".join(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
