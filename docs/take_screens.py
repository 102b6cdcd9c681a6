"""Take every panel, card, form, report and error in both languages, themes and two widths: `make
screens`.

Writes docs/pictures/screens/NAME.png, a sheet of eight pictures each, and the page
docs/project/screens.md.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page
from support.jupyterlab import Notebook
from support.messages import compile_stale_catalogue
from take_pictures import PICTURES, open_notebook

from qfnb.sandbox import stop

ROOT = Path(__file__).parents[1]
SCREENS = PICTURES / "screens"
PAGE = ROOT / "docs" / "project" / "screens.md"
THEMES = ("Light", "Dark")
WIDTHS = (1280, 600)
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
        "training-running",
        "A training at work",
        (
            "%qftrain start -d train --epoch 50 -o long --again\nwhile len(long.progress.points) < "
            "60: time.sleep(0.5)"
        ),
    ),
    (
        "training-done",
        "A training that is over",
        (
            "long.stop(); long.wait(60)\n%qftrain start -d few --epoch 5 -o tuned_run "
            "--again\n%qftrain wait tuned_run"
        ),
    ),
    (
        "training-same",
        "The same training once more",
        "%qftrain start -d few --epoch 5 -o tuned_run",
    ),
    ("training-stopped", "A training that was stopped", "%qftrain status long"),
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
    (
        "batch-running",
        "A batch at work",
        (
            'fault(fault="slow", times=None, seconds=2)\n'
            '%qfbatch train --prompt "B {prompt}" --name running -o r\ntime.sleep(8)'
        ),
    ),
    ("batch-mistake", "A column that does not exist", '%qfbatch rows --prompt "{promt}"'),
    ("batch-list", "All batches", "%qfbatch cancel running\n%qfbatch list"),
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
    ("home", "What there is", "%qf"),
    ("keys", "Keys and default models", "%qfauth"),
    ("models", "Models", "qfnb.models()"),
    ("usage", "What was used", "qfnb.usage()"),
)
ALL = SCREENS_OF_CHAT + SCREENS_OF_TRAINING + SCREENS_OF_BATCHES + SCREENS_OF_EVALUATION


def main() -> None:
    """Take all sheets, or those that are named."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    compile_stale_catalogue()
    names = set(sys.argv[1:]) or {name for name, _, _ in ALL}
    tiles: dict[str, list[Image.Image]] = {name: [] for name, _, _ in ALL if name in names}
    for language in ("en", "zh"):
        with tempfile.TemporaryDirectory(prefix="qfnb-screens-") as state:
            os.environ |= {
                "QFNB_STATE_DIR": state,
                "QIANFAN_PLATFORM": "sandbox",
                "QFNB_LANG": language,
            }
            take(tiles)
            stop()
    for name, pictures in tiles.items():
        save_sheet(pictures, SCREENS / f"{name}.png")
    write_page()


def take(tiles: dict[str, list[Image.Image]]) -> None:
    """Run all cells in one language; picture what each shows in both themes and widths."""
    with open_notebook({"setup": SETUP, **{name: source for name, _, source in ALL}}) as notebook:
        page = notebook.page
        for number in range(len(ALL) + 1):
            notebook.cell(number).locator(".cm-content").click()
            page.keyboard.press("Shift+Enter")
            notebook.idle(300)
            page.wait_for_timeout(1500)
            name = ALL[number - 1][0]
            if number and name in tiles:
                tiles[name] += [
                    picture(page, notebook, number, theme, width)
                    for theme in THEMES
                    for width in WIDTHS
                ]
                print(name, flush=True)


def picture(page: Page, notebook: Notebook, number: int, theme: str, width: int) -> Image.Image:
    """Return the picture of an output in one theme and width."""
    page.evaluate(
        '() => window.jupyterapp.commands.execute("apputils:change-theme", '
        f'{{theme: "JupyterLab {theme}"}})'
    )
    page.set_viewport_size({"width": width, "height": 3000})
    page.wait_for_timeout(700)
    return Image.open(io.BytesIO(notebook.output(number).screenshot())).convert("RGB")


def save_sheet(pictures: list[Image.Image], path: Path) -> None:
    """Save eight pictures as one: English above Chinese, light beside dark, wide beside narrow."""
    rows = [pictures[:4], pictures[4:]]
    columns = [max(row[column].width for row in rows) for column in range(4)]
    heights = [max(one.height for one in row) for row in rows]
    sheet = Image.new("RGB", (sum(columns) + 3 * 12, sum(heights) + 12), "#888")
    for y, row in zip((0, heights[0] + 12), rows, strict=True):
        for column, one in enumerate(row):
            sheet.paste(one, (sum(columns[:column]) + 12 * column, y))
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
        "light at 1280 and 600 pixels, then dark at 1280 and 600.\n\n"
    )
    PAGE.write_text(head + "\n".join(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
