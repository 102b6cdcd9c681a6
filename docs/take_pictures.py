"""Take the pictures of README and guide in JupyterLab, on the sandbox, in both languages: `make
pictures`.

Writes docs/pictures/NAME-en.png, NAME-zh.png, NAME-zh-dark.png and demo-*.gif; needs Chromium and
Chinese fonts.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright
from support.jupyterlab import CHROMIUM, JupyterLab, Notebook, run_jupyterlab
from support.messages import compile_stale_catalogue

from qfnb.sandbox import stop

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 960
HEIGHT = 640
LOAD = f"%load_ext qfnb\nimport os\nos.chdir({str(ROOT / 'notebooks')!r})"
TRAIN = """from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig

train = Dataset.load("data/teahouse_train.jsonl")
held_out = Dataset.load("data/teahouse_heldout.jsonl")
trainer = LLMFinetune(
    train_type="ERNIE-4.5-Turbo-128K",
    dataset=train,
    train_config=TrainConfig(epoch=5, learning_rate=3e-4),
    deploy_config=DeployConfig(name="tuned", endpoint_suffix="teahouse"),
    name="teahouse",
)
rows = train.to_pandas().head(200)"""
PROMPTS = {"en": "mountains and a lake at night, moon", "zh": "夜晚的山和湖，月亮"}
BATCH = {
    "en": '%qfbatch rows --prompt "Answer in one word: {prompt}" --name labels',
    "zh": '%qfbatch rows --prompt "用一个词回答：{prompt}" --name 标签',
}
DARK = """() => window.jupyterapp.commands.execute("apputils:change-theme", {theme: "JupyterLab Dark"})"""
FILMED = {"form": "form", "start": "start", "wait": "start", "chat": "chat", "card": "card"}
"""Cell that runs -> the cell whose output the film shows meanwhile."""

PICTURED = {
    "chat": ("chat", "chat"),
    "form": ("form", "form"),
    "wait": ("training", "start"),
    "card": ("evaluation", "card"),
    "batch": ("batch", "batch"),
    "image": ("image", "image"),
    "home": ("home", "home"),
}
"""Cell that has run -> name of a picture, and the cell whose output it shows."""


def main() -> None:
    """Take all pictures in both languages."""
    PICTURES.mkdir(exist_ok=True)
    compile_stale_catalogue()
    with tempfile.TemporaryDirectory(prefix="qfnb-pictures-") as state:
        os.environ |= {"QFNB_STATE_DIR": state, "QIANFAN_PLATFORM": "sandbox"}
        for language in sys.argv[1:] or ("en", "zh"):
            os.environ["QFNB_LANG"] = language
            take(language)
        stop()


def take(language: str) -> None:
    """Take the pictures of one language, and the Chinese ones in the dark theme too."""
    with open_notebook(cells(language)) as notebook:
        film = Film(notebook.page)
        names = list(cells(language))
        for number, name in enumerate(names):
            scene = notebook.output(names.index(FILMED[name])) if name in FILMED else None
            run_cell(notebook, number, film, scene)
            if name in PICTURED:
                title, shown = PICTURED[name]
                save(
                    notebook.page,
                    notebook.output(names.index(shown)),
                    PICTURES / f"{title}-{language}.png",
                )
        film.save(PICTURES / f"demo-{language}.gif")
        if language == "zh":
            notebook.page.evaluate(DARK)
            for title, shown in PICTURED.values():
                save(
                    notebook.page,
                    notebook.output(names.index(shown)),
                    PICTURES / f"{title}-zh-dark.png",
                )


def cells(language: str) -> dict[str, str]:
    """Return the cells of the notebook by name."""
    return {
        "load": LOAD,
        "data": TRAIN,
        "form": "%qftrain new train",
        "start": "%qftrain start trainer --again",
        "wait": "%qftrain wait trainer",
        "service": 'from qfnb import Service\n\nbase = Service(model="ernie-4.5-turbo-128k", '
        'name="base")\n'
        'tuned = trainer.output["service"]',
        "chat": "%%qfchat -m ernie-4.5-turbo-128k,tuned\n请帮忙预订：4人，7月28日，晚上7点半，包间",
        "card": "import qfnb\n\nqfnb.compare(base, tuned, held_out)",
        "batch": BATCH[language],
        "image": f"%%qfimage --size 768x768 --seed 7\n{PROMPTS[language]}",
        "home": "%qf",
    }


@contextmanager
def open_notebook(sources: dict[str, str]) -> Iterator[Notebook]:
    """Open a notebook of cells in JupyterLab without side bars."""
    with ExitStack() as stack:
        folder, home = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        url, token = stack.enter_context(run_jupyterlab(folder, home))
        lab = JupyterLab(url, token, folder, home / "settings")
        driver = stack.enter_context(sync_playwright())
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1
        ).new_page()
        lab.load(page)
        notebook = Notebook(page, lab, lab.write("pictures.ipynb", *sources.values()))
        page.keyboard.press("Control+b")
        yield notebook
        browser.close()


def run_cell(notebook: Notebook, number: int, film: Film, scene: Locator | None) -> None:
    """Run one cell to its end; the film shows an output meanwhile, if one is named."""
    notebook.cell(number).locator(".cm-content").click()
    notebook.page.keyboard.press("Shift+Enter")
    while notebook.prompt(number) in {"[ ]:", "[*]:"}:
        film.take(scene)
        notebook.page.wait_for_timeout(200)
    notebook.page.wait_for_timeout(1500)
    assert not notebook.cell(number).locator("[data-mime-type*=error]").count(), notebook.output(
        number
    ).inner_text()
    film.take(scene, seconds=2)


def save(page: Page, output: Locator, path: Path) -> None:
    """Save the picture of an output, with few colours: pictures are part of the repository."""
    # an output that does not fit is cut off
    page.set_viewport_size({"width": WIDTH, "height": 2400})
    page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(output.screenshot()))
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


class Film:
    """Frames of a page, saved as one animated GIF."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[tuple[Image.Image, float]] = []

    def take(self, output: Locator | None, seconds: float = 0.25) -> None:
        """Take a frame of the page, scrolled to an output; one that equals the last makes that one
        longer.
        """
        if output is None:
            return
        if output.bounding_box():
            output.evaluate("node => node.closest('.jp-Cell').scrollIntoView()")
        frame = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        if self.frames and self.frames[-1][0].tobytes() == frame.tobytes():
            self.frames[-1] = frame, min(self.frames[-1][1] + seconds, 2.0)
        else:
            self.frames.append((frame, seconds))

    def save(self, path: Path) -> None:
        """Write the film."""
        pictures = [frame.quantize(64, dither=Image.Dither.NONE) for frame, _ in self.frames]
        durations = [int(seconds * 1000) for _, seconds in self.frames]
        pictures[0].save(
            path,
            save_all=True,
            append_images=pictures[1:],
            duration=durations,
            loop=0,
            optimize=True,
        )


if __name__ == "__main__":
    main()
