"""JupyterLab in headless Chromium, as a person uses it; screenshots land in build/screenshots."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page

from support.waiting import until

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
# the first takes least CPU
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), "")

SETTINGS: dict[str, dict[str, Any]] = {
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "docmanager-extension/plugin": {"autosave": False},
    "notebook-extension/tracker": {"autoStartDefaultKernel": True, "windowingMode": "none"},
}


# Closes the notebooks without asking, and ends their kernels, busy ones too. A launcher stays:
# JupyterLab opens one where
# there is nothing else, a moment later, and it would take the place of the notebook that is opened
# next.
TIDY_UP = """async () => {
  const {shell, commands, serviceManager: {kernels, sessions}} = window.jupyterapp
  const isLauncher = widget => widget.id.startsWith("launcher")
  if (![...shell.widgets("main")].some(isLauncher)) await commands.execute("launcher:create")
  for (const widget of [...shell.widgets("main")]) if (!isLauncher(widget)) widget.dispose()
  await kernels.refreshRunning()
  for (const {id} of kernels.running()) {
    const kernel = kernels.connectTo({model: {id}})
    await kernel.interrupt()
    kernel.dispose()
  }
  await sessions.refreshRunning()
  await sessions.shutdownAll()
}"""
IS_IDLE = """() => [...document.querySelectorAll(".jp-InputPrompt")].every(prompt => prompt.textContent != "[*]:")"""
# The toolbar says "idle" before there is a session; the status bar does not, and speaks of the tab
# in front. The notebook
# of an earlier test sometimes comes back a moment after it was closed.
IS_READY = """path => {
  const {shell} = window.jupyterapp
  for (const widget of [...shell.widgets("main")]) {
    if (widget.context && widget.context.path != path) widget.dispose()
    else if (widget.context && shell.currentWidget !== widget) shell.activateById(widget.id)
  }
  return /\\| Idle/.test(document.querySelector("#jp-main-statusbar").textContent)
}"""
OPEN = """async ([path, theme]) => {
  await window.jupyterapp.commands.execute("apputils:change-theme", {theme})
  await window.jupyterapp.commands.execute("docmanager:open", {path})
}"""

# A focus ring is drawn up to 4 px outside of its control; what hides that is a parent that scrolls
# or cuts off.
CUT_RINGS = """output => [...output.querySelectorAll("button, input, select, summary")].flatMap(control => {
  const ring = control.getBoundingClientRect(), parents = []
  for (let parent = control.parentElement; ring.width && parent && parent !== output; parent = parent.parentElement) {
    const box = parent.getBoundingClientRect()
    const isWithin = ring.left - 4 >= box.left && ring.right + 4 <= box.right
      && ring.top - 4 >= box.top && ring.bottom + 4 <= box.bottom
    if (getComputedStyle(parent).overflow !== "visible" && !isWithin) parents.push(parent.className)
  }
  return parents.length ? [`${control.textContent || control.tagName}: ${parents.join(" | ")}`] : []
})"""


@dataclass
class JupyterLab:
    """A running JupyterLab on a folder of its own."""

    url: str
    token: str
    folder: Path
    settings: Path
    theme_name: str = "JupyterLab Light"
    loaded_path: str = ""
    """The notebook that the page was loaded with: JupyterLab opens it again when it has been
    closed.
    """

    @property
    def log(self) -> Path:
        """What the server has written."""
        return self.settings.with_name("server.log")

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells; return its name."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells]
        )
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.folder / name)
        return name

    def theme(self, name: str) -> None:
        """Set the theme of notebooks that are opened from now on."""
        self.theme_name = name
        write_setting(self.settings, "apputils-extension/themes", {"theme": name})

    def load(self, page: Page, path: str = "") -> None:
        """Load JupyterLab's page anew."""
        self.loaded_path = path
        page.goto(f"{self.url}/lab{path}?token={self.token}&reset", wait_until="domcontentloaded")
        page.wait_for_function("() => window.jupyterapp", timeout=180_000)
        page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        # drawn at 60 Hz by the CPU
        page.add_style_tag(content="*{animation:none!important;transition:none!important}")

    def tidy_up(self, page: Page) -> None:
        """Close all notebooks of a page and end all kernels."""
        page.evaluate(TIDY_UP)


class Notebook:
    """A notebook that is open in the browser; where one is open already, the page is loaded
    anew.
    """

    def __init__(self, page: Page, lab: JupyterLab, name: str) -> None:
        self.page = page
        self.lab = lab
        self.path = lab.folder / name
        if page.locator(".jp-Notebook").count():
            lab.load(page, f"/tree/{name}")
        else:
            page.evaluate(OPEN, [name, lab.theme_name])
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=180_000)
        page.wait_for_function(IS_READY, arg=name, timeout=180_000, polling=100)
        page.wait_for_selector(".jp-SpinnerContent", state="detached", timeout=180_000)

    def reload(self) -> None:
        """Load the page anew; its address names the notebook by now."""
        self.page.reload()
        self.lab.loaded_path = self.path.name

    def menu(self, menu: str, item: str) -> None:
        self.page.click(f'.lm-MenuBar-itemLabel:text-is("{menu}")')
        self.page.click(f'.lm-Menu-itemLabel:text-is("{item}")')

    def run_all(self) -> None:
        self.menu("Run", "Run All Cells")

    def interrupt(self) -> None:
        self.menu("Kernel", "Interrupt Kernel")

    def restart(self) -> None:
        """Restart the kernel, and wait for the new one."""
        self.menu("Kernel", "Restart Kernel…")
        self.page.click('.jp-Dialog button:has-text("Restart")')
        self.page.wait_for_selector("#jp-main-statusbar >> text=/\\| Idle/", timeout=180_000)

    def cell(self, number: int) -> Locator:
        """Return a code cell."""
        return self.page.locator(".jp-CodeCell").nth(number)

    def output(self, number: int) -> Locator:
        """Return what a code cell shows."""
        return self.cell(number).locator(".jp-OutputArea").first

    def prompt(self, number: int) -> str:
        """Return the "[1]:" of a code cell."""
        return self.cell(number).locator(".jp-InputPrompt").first.inner_text()

    def idle(self, timeout: float = 180) -> None:
        """Wait until no cell runs or waits to run."""
        self.page.wait_for_function(IS_IDLE, timeout=timeout * 1000, polling=50)

    def save(self) -> None:
        """Save, and wait until the whole file is there: the server empties it before it writes."""
        before = self.path.stat().st_mtime_ns
        self.menu("File", "Save Notebook")
        until(lambda: self.path.stat().st_mtime_ns != before and self._is_whole())

    def _is_whole(self) -> bool:
        try:
            json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError:
            return False
        return True

    def screenshot(self, name: str, at: Locator | None = None) -> None:
        """Take a picture of the window as it is, scrolled to something, or of the whole
        notebook.
        """
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        if at is None:
            outer = ".jp-WindowedPanel-outer"
            height = int(
                self.page.evaluate(f"() => document.querySelector('{outer}').scrollHeight")
            )
            self.page.set_viewport_size({"width": 1280, "height": min(height + 160, 12_000)})
            self.page.evaluate(f"() => document.querySelector('{outer}').scrollTo(0, 0)")
            self.page.evaluate(
                "() => new Promise(done => requestAnimationFrame(() => "
                "requestAnimationFrame(done)))"
            )
        else:
            at.scroll_into_view_if_needed()
        self.page.screenshot(path=str(SCREENSHOTS / f"{name}.png"))


def cut_focus_rings(output: Locator) -> list[str]:
    """Return the controls within an output whose ring is cut off when they are focused, and the
    parents that do it.
    """
    return list(output.evaluate(CUT_RINGS))


@contextlib.contextmanager
def run_jupyterlab(
    folder: Path,
    home: Path,
    server_command: Sequence[str] = (
        sys.executable,
        "-m",
        "jupyterlab",
        "--LabApp.expose_app_in_browser=True",
    ),
) -> Iterator[tuple[str, str]]:
    """Run JupyterLab, or another front end on Jupyter's server; yield its address and token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTEST_VERSION", "QFNB_DISPLAY"}
    }
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        env[name] = str(home / name.lower())
    env |= {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "work"),
    }
    for plugin, value in SETTINGS.items():
        write_setting(home / "settings", plugin, value)
    page_config = home / "jupyter_config_dir" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    # it starts Node for each page
    page_config.write_text(json.dumps({"buildCheck": False}), encoding="utf-8")
    command = [*server_command, "--no-browser", "--ServerApp.ip=127.0.0.1"]
    command += [
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
    ]
    command += [f"--ServerApp.root_dir={folder}", "--ServerApp.allow_root=True"]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for_server(f"{url}/api?token={token}", server, home / "server.log")
            yield url, token
        finally:
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End a server; one is killed that never ends, because a worker thread of its own waits for
    work for ever.
    """
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _wait_for_server(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"Jupyter did not start: {log.read_text()[-2000:]}")


def write_setting(folder: Path, plugin: str, value: dict[str, Any]) -> None:
    path = folder / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
