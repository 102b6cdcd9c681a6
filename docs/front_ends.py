"""Take pictures of live outputs in front ends other than the tested one, each in a folder of its
own: `make fronts`.

Installs each front end under build/front-ends; the kernel is this one's. Runs a form, a training, a
batch and a chat, presses a button of each, reloads the page, restarts the kernel and opens the
saved notebook. Prints what was seen, fails where a button does nothing, where one is left without a
kernel, or where a page shows an error, and writes docs/pictures/front-ends/NAME-MOMENT.webp. Names
on the command line choose front ends.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from support.jupyterlab import CHROMIUM, run_jupyterlab
from support.messages import compile_stale_catalogue
from support.raw_http import set_clock

from qfnb.sandbox import ensure, process, stop

ROOT = Path(__file__).parents[1]
INSTALLED = ROOT / "build" / "front-ends"
PICTURES = ROOT / "docs" / "pictures" / "front-ends"
WIDTH = 400  # of a picture
WIDTH_OF_OUTPUTS = 640
LOAD = f"""%load_ext qfnb
import os
os.chdir({str(ROOT / "notebooks")!r})
rows = [{{"prompt": f"question {{n}}"}} for n in range(500)]
print(os.getpid())"""
PANELS = {
    "form": "%qftrain new data/teahouse_train.jsonl",
    "training": "%qftrain start -d data/teahouse_train.jsonl --epoch 50 --again",
    "batch": "%qfbatch rows --prompt '{prompt}'",
    "chat": "%%qfchat\nWrite a long poem",
}
FINISHED = (
    "%qftrain start -d data/teahouse_train.jsonl --epoch 5 -o run --again\n%qftrain wait run",
    "few = rows[:40]\n%qfbatch few --prompt '{prompt}' -o job\n%qfbatch wait job",
    PANELS["chat"],
)
PRESSED = {
    "chat": ("Stop", "Stopped"),
    "training": ("Stop training…", "Stop it"),
    "batch": ("Pause", "Resume"),
}
"""Panel -> a button, and what the panel shows when it is pressed."""

FORM = {"form": ("Start training…", "Back to the form")}
NEWEST = "jupyterlab-4.6"
ERROR = "Error displaying widget"
DEAD = ".jupyter-widgets-disconnected"
NOTEBOOK = "[...jupyterapp.shell.widgets('main')].find(widget => widget.context)"


@dataclass(frozen=True)
class Site:
    """How a page of a front end is driven: selectors, and JavaScript."""

    output: str
    cell: str = ".jp-CodeCell"
    editor: str = ".cm-content"
    is_ready: str = ""
    restart: str = ""
    save: str = ""


JUPYTERLAB = Site(
    ".jp-Cell-outputArea",
    is_ready=f"() => window.jupyterapp && {NOTEBOOK}?.sessionContext.session?.kernel?.status == "
    "'idle'"
    " && [...document.querySelectorAll('.jp-InputPrompt')].every(prompt => prompt.textContent != "
    "'[*]:')",
    restart=f"() => {NOTEBOOK}.sessionContext.session.kernel.restart()",
    save=f"() => {NOTEBOOK}.context.save()",
)
CLASSIC = Site(
    ".output_wrapper",
    ".code_cell",
    ".CodeMirror",
    is_ready="() => window.Jupyter?.notebook?.kernel?.is_connected() && "
    "!Jupyter.notebook.kernel_busy",
    restart="() => new Promise(done => Jupyter.notebook.kernel.restart(done))",
    save="() => Jupyter.notebook.save_notebook()",
)
VOILA = Site(
    ".jp-Cell-outputArea", is_ready="() => document.querySelectorAll('.jp-CodeCell').length > 4"
)


@dataclass(frozen=True)
class FrontEnd:
    """What is installed, how its server is started, and where it shows a notebook."""

    requirement: str
    server: tuple[str, ...]
    path: str
    site: Site = JUPYTERLAB


LAB = ("jupyterlab", "--LabApp.expose_app_in_browser=True")
NOTEBOOK_7 = ("notebook", "--JupyterNotebookApp.expose_app_in_browser=True")
FRONT_ENDS = {
    **{
        f"jupyterlab-4.{n}": FrontEnd(f"jupyterlab==4.{n}.*", LAB, "/lab/tree/")
        for n in (2, 3, 4, 5, 6)
    },
    "notebook-7.2": FrontEnd("notebook==7.2.*", NOTEBOOK_7, "/notebooks/"),
    "notebook-7.6": FrontEnd("notebook==7.6.*", NOTEBOOK_7, "/notebooks/"),
    "nbclassic": FrontEnd("nbclassic", ("nbclassic",), "/notebooks/", CLASSIC),
    "voila": FrontEnd("voila", ("jupyter_server",), "/voila/render/", VOILA),
}


def main() -> None:
    """Try the front ends, on a sandbox whose answers take a minute."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    compile_stale_catalogue()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        for name in sys.argv[1:] or FRONT_ENDS:
            try_front_end(name, browser)
        browser.close()


def try_front_end(name: str, browser: Browser) -> None:
    """Run the panels in one front end, and look at them at each moment."""
    front_end = FRONT_ENDS[name]
    python = install(name, front_end.requirement)
    with ExitStack() as stack:
        folder, home, state = (
            Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(3)
        )
        os.environ |= {
            "QFNB_STATE_DIR": str(state),
            "QIANFAN_PLATFORM": "sandbox",
            "QFNB_LANG": "en",
        }
        stack.callback(stop)
        write_notebook(folder / "panels.ipynb")
        server = (str(python), "-m", *front_end.server)
        url, token = stack.enter_context(run_jupyterlab(folder, home, server))
        context = stack.enter_context(browser.new_context(viewport={"width": 1000, "height": 900}))
        context.set_default_timeout(180_000)
        trial = Trial(name, context.new_page(), front_end.site)
        if front_end.site is VOILA:
            trial.try_voila(f"{url}{front_end.path}panels.ipynb?token={token}")
        else:
            trial.try_notebook(
                f"{url}{front_end.path}panels.ipynb?token={token}", folder / "panels.ipynb"
            )


def install(name: str, requirement: str) -> Path:
    """Install a front end unless it is there; return its Python. Its kernel is the one that runs
    this.
    """
    folder = INSTALLED / name
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [
            folder / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, requirement, "ipywidgets", "anywidget"], check=True)
        kernel = [
            sys.executable,
            "-m",
            "ipykernel",
            "install",
            "--prefix",
            folder,
            "--name",
            "python3",
        ]
        subprocess.run(kernel, check=True, stdout=subprocess.DEVNULL)
        (folder / "installed").touch()
    return folder / "bin" / "python"


def write_notebook(path: Path, sources: tuple[str, ...] = (LOAD, *PANELS.values())) -> None:
    """Write a notebook of code cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def slow_down(calls: int) -> None:
    """Let the sandbox answer some chat calls in a second, and each after them in a minute."""
    process.control_request(ensure(), "DELETE", "/_sandbox/faults")
    for times, seconds in ((calls, 1), (None, 60)):
        rule = {"endpoint": "chat.v2", "fault": "slow", "times": times, "seconds": seconds}
        process.control_request(ensure(), "POST", "/_sandbox/faults", rule)


class Trial:
    """One front end in one page."""

    def __init__(self, name: str, page: Page, site: Site) -> None:
        self.name = name
        self.page = page
        self.site = site

    def try_notebook(self, url: str, path: Path) -> None:
        """Go through all moments of a notebook."""
        self.open(url)
        slow_down(calls=12)
        for number in range(4):
            self.run(number)
            self.wait_until_ready()
        self.let_train()
        self.run(4)
        self.output("chat").get_by_role("button").first.wait_for()
        self.look("live", has_buttons=True)
        self.press(PRESSED)
        self.press(FORM)
        self.wait_until_ready()
        self.save(path)
        if self.name == NEWEST:
            export(path, self.page.context.new_page(), "unfinished")
        self.page.on("dialog", lambda dialog: dialog.accept())
        self.page.reload()
        self.wait_until_ready()
        self.output("batch").get_by_role("button", name="Resume").wait_for()  # the widgets are back
        self.press({"batch": ("Resume", "Pause")})
        self.run(4)
        self.output("chat").get_by_role("button").first.wait_for()
        self.page.evaluate(self.site.restart)
        self.wait_until_ready()
        self.look("restarted", has_buttons=False)
        self.save(path)
        self.page.reload()
        self.wait_until_ready()
        self.look("reopened", has_buttons=False)
        if self.name == NEWEST:
            self.export_finished(url, path)

    def export_finished(self, url: str, path: Path) -> None:
        """Run the notebook with less to do, and export it when all is done."""
        process.control_request(ensure(), "DELETE", "/_sandbox/faults")
        set_clock(ensure(), speed=1)
        write_notebook(path, (LOAD, *FINISHED))
        self.page.goto(url, wait_until="domcontentloaded")
        self.wait_until_ready()
        for number in range(1 + len(FINISHED)):
            self.run(number)
            self.wait_until_ready()
        self.save(path)
        export(path, self.page.context.new_page(), "finished")

    def try_voila(self, url: str) -> None:
        """Look at Voila's page, while its kernel lives and after that: it has no other moments."""
        slow_down(calls=200)
        self.open(url)
        self.output("batch").get_by_role("button", name="Pause").wait_for()
        self.let_train()
        self.look("live", has_buttons=True)
        self.press({name: PRESSED[name] for name in ("training", "batch")} | FORM)
        os.kill(
            int(self.page.locator(".jp-CodeCell").first.inner_text().split()[-1]), signal.SIGKILL
        )
        self.page.locator(".jp-CodeCell button").first.wait_for(state="detached")
        self.look("restarted", has_buttons=False)

    def open(self, url: str) -> None:
        """Open the notebook."""
        self.page.goto(url, wait_until="domcontentloaded")
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the kernel is there and idle."""
        self.page.wait_for_function(self.site.is_ready, timeout=180_000, polling=200)
        self.page.wait_for_timeout(2000)  # what came last is drawn

    def let_train(self) -> None:
        """Let the training go on for some epochs, and then five times as slowly."""
        self.output("training").get_by_text("Best checkpoint").filter(visible=True).first.wait_for()
        self.page.wait_for_timeout(2000)
        set_clock(ensure(), speed=0.2)

    def run(self, number: int) -> None:
        """Run one cell."""
        self.page.locator(self.site.cell).nth(number).locator(self.site.editor).first.click()
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_timeout(500)

    def output(self, panel: str) -> Locator:
        """Return the output of a panel's cell."""
        number = 1 + list(PANELS).index(panel)
        return self.page.locator(self.site.cell).nth(number).locator(self.site.output).first

    def save(self, path: Path) -> None:
        """Save, and wait until the file has changed."""
        before = path.stat().st_mtime_ns
        self.page.evaluate(self.site.save)
        while path.stat().st_mtime_ns == before:
            self.page.wait_for_timeout(100)

    def press(self, buttons: dict[str, tuple[str, str]]) -> None:
        """Press a button of each panel, and wait for what follows."""
        for panel, (label, follows) in buttons.items():
            self.output(panel).get_by_role("button", name=label).first.click()
            self.output(panel).get_by_text(follows).first.wait_for()

    def look(self, moment: str, *, has_buttons: bool) -> None:
        """Check all outputs and take their picture."""
        for panel in PANELS:
            output = self.output(panel)
            counts = {
                selector: output.locator(selector).count() for selector in ("button:visible", DEAD)
            }
            print(
                f"{self.name} {moment} {panel}: {counts} "
                f"{' '.join(output.inner_text().split())[:80]}",
                flush=True,
            )
            assert ERROR not in output.inner_text()
            assert not counts[DEAD]
            is_over = self.site is VOILA and panel == "chat"
            assert bool(counts["button:visible"]) is (has_buttons and not is_over), (
                self.name,
                moment,
                panel,
            )
        take_picture(self.page, [self.output(panel) for panel in PANELS], f"{self.name}-{moment}")


def export(path: Path, page: Page, name: str) -> None:
    """Take a picture of what nbconvert makes of a saved notebook."""
    html = path.with_suffix(".html")
    html.write_text(HTMLExporter().from_filename(path)[0], encoding="utf-8")
    page.goto(html.as_uri(), wait_until="domcontentloaded")
    outputs = page.locator(".jp-CodeCell .jp-Cell-outputWrapper").all()[1:]
    take_picture(page, outputs, f"nbconvert-{name}")
    page.close()


def take_picture(page: Page, outputs: list[Locator], name: str) -> None:
    """Save the picture of outputs, one below the other."""
    size = page.viewport_size
    width = size["width"] - outputs[0].bounding_box()["width"] + WIDTH_OF_OUTPUTS
    # an output that does not fit is cut off
    page.set_viewport_size({"width": int(width), "height": 4000})
    page.wait_for_timeout(1000)
    shots = [Image.open(io.BytesIO(output.screenshot())).convert("RGB") for output in outputs]
    page.set_viewport_size(size)
    width = max(shot.width for shot in shots)
    height = sum(shot.height + 8 for shot in shots)
    whole = Image.new("RGB", (width, height), "white")
    top = 0
    for shot in shots:
        whole.paste(shot, (0, top))
        top += shot.height + 8
    whole.resize((WIDTH, height * WIDTH // width)).save(
        PICTURES / f"{name}.webp", quality=25, method=6
    )


if __name__ == "__main__":
    main()
