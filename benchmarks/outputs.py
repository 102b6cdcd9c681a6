"""Measure what the outputs of a notebook cost: bytes to the page, CPU of the kernel, and the time
in which they open.

A kernel believes that JupyterLab is in front of it; messages count as Jupyter's server sends them
to a page. Answers come from a server of this file, trainings from a sandbox with a folder of its
own. A notebook of 30 answers and five panels is opened in JupyterLab beside one that has the
answers' text as plain HTML; without Chromium this is left out. The last column is the ratio of the
value and what it should be at most.

    python benchmarks/outputs.py
    python benchmarks/outputs.py --only wire
"""

from __future__ import annotations

import argparse
import contextlib
import html
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from batch import environment
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from stub import CHAT_V2

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.jupyterlab import CHROMIUM, JupyterLab, run_jupyterlab  # noqa: E402
from support.kernel import Cell, Kernel  # noqa: E402

SHORT_PIECES = 13
LONG_PIECES = 2000
SAVED_PIECES = 300
"""Pieces of an answer: a short one, a long one, and one of the notebook that is opened."""

PIECE_INTERVAL = 0.01
"""Seconds between two pieces, except in answers of the saved notebook."""

RUNNING_S = 20.0
IDLE_S = 10.0
SETTLE_S = 6.0
"""Seconds in which a panel is watched while it works, and while nothing happens; and before
that.
"""

ANSWERS = 30
PANELS = 5
OPENINGS = 3
OPEN_PANELS = "panels.ipynb"
OPEN_PLAIN = "plain.ipynb"

TARGETS = {
    "13 pieces, kB": 8.0,
    "2,000 pieces, MB": 0.3,
    "running training, kB/s": 2.0,
    "idle panels, messages in 10 s": 0.0,
    "idle panels, CPU ms in 10 s": 0.0,
    "opening, x plain HTML": 1.5,
}
"""What each value should be at most; of the CPU, more than the kernel needs without panels."""

PARAGRAPH = (
    "A **large model** reads text in *tokens*; `len(tokens)` decides what a call costs.\n\n"
    "- 一个词可能是几个词元，价格按词元算。\n- Each answer names what it used.\n\n"
    "```python\nfor piece in chat.do(messages, stream=True):\n    print(piece)\n```\n\n"
)
WORDS = re.findall(r"\s*\S{1,6}|\s+$", PARAGRAPH)

IS_OPEN = """async ([path, outputs]) => {
  const {shell, commands} = window.jupyterapp, start = performance.now()
  const frame = () => new Promise(done => requestAnimationFrame(done))
  const kernelPreference = {shouldStart: false, canStart: false}
  const widget = await commands.execute("docmanager:open", {path, kernelPreference})
  await widget.context.ready
  while (widget.node.querySelectorAll(".jp-OutputArea-output").length < outputs) await frame()
  await frame()
  await frame()
  const took = performance.now() - start
  widget.dispose()
  return took
}"""


class Traffic(NamedTuple):
    """Messages and bytes that a page has got."""

    messages: int
    size: int


class Answers(BaseHTTPRequestHandler):
    """Streams an answer of as many pieces as the question says, so many seconds apart."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def do_GET(self) -> None:
        self._send(b"{}", "application/json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.startswith("/v2/chat"):
            self._send(
                b'{"access_token": "fake", "expires_in": 2592000, "token": "fake"}',
                "application/json",
            )
            return
        count, interval = json.loads(body)["messages"][-1]["content"].split()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            for number in range(int(count)):
                time.sleep(float(interval))
                self.wfile.write(
                    _event(
                        {"delta": {"content": WORDS[number % len(WORDS)]}, "finish_reason": None}
                    )
                )
            self.wfile.write(
                _event({"delta": {}, "finish_reason": "stop"}, usage=True) + b"data: [DONE]\n\n"
            )
        self.close_connection = True

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _event(choice: dict[str, Any], *, usage: bool = False) -> bytes:
    body = {**CHAT_V2, "object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
    if not usage:
        del body["usage"]
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


@contextlib.contextmanager
def answer_server() -> Iterator[str]:
    """Serve answers for the time of the block; the value is the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


class Page(Kernel):
    """A kernel whose front end is a page: it takes the widgets of live outputs, and counts what it
    gets.
    """

    def __init__(self) -> None:
        self._sizes: list[int] = []
        super().__init__()
        deserialize = self.client.session.deserialize

        def count(parts: list[bytes], *args: Any, **options: Any) -> dict[str, Any]:
            self._sizes.append(
                len(serialize_msg_to_ws_v1([bytes(part) for part in parts[1:]], "iopub"))
            )
            message: dict[str, Any] = deserialize(parts, *args, **options)
            return message

        self.client.session.deserialize = count

    def _handle_message(self, message: dict[str, Any]) -> None:
        super()._handle_message(message)
        state = (
            message["content"].get("data", {}).get("state", {})
            if message["msg_type"] == "comm_open"
            else {}
        )
        if "_esm" in state:
            data = {"method": "custom", "content": {"type": "attached"}}
            content = {"comm_id": message["content"]["comm_id"], "data": data}
            self.client.shell_channel.send(self.client.session.msg("comm_msg", content))

    @contextlib.contextmanager
    def count(self) -> Iterator[list[Traffic]]:
        """Count what arrives in the block; the list has it afterwards."""
        self._sizes.clear()
        traffic: list[Traffic] = []
        yield traffic
        traffic.append(Traffic(len(self._sizes), sum(self._sizes)))

    def cpu_ms(self) -> float:
        """Return the processor time that the kernel has used so far."""
        stat = (
            Path(f"/proc/{self.manager.provisioner.process.pid}/stat")
            .read_text()
            .rpartition(") ")[2]
            .split()
        )
        return (int(stat[11]) + int(stat[12])) * 1e3 / os.sysconf("SC_CLK_TCK")

    def idle(self) -> tuple[int, float]:
        """Return the messages and the processor time (ms) of `IDLE_S` seconds in which nobody does
        anything.
        """
        self.listen(SETTLE_S)
        before = self.cpu_ms()
        with self.count() as traffic:
            self.listen(IDLE_S)
        return traffic[0].messages, self.cpu_ms() - before


@contextlib.contextmanager
def page(env: dict[str, str]) -> Iterator[Page]:
    """Run a kernel with these environment variables and no other ones of qfnb for the time of the
    block.
    """
    previous = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    kernel = Page()
    try:
        yield kernel
    finally:
        kernel.close()
        os.environ.clear()
        os.environ.update(previous)


def ask(kernel: Page, pieces: int, interval: float = PIECE_INTERVAL) -> tuple[Traffic, Cell]:
    """Ask for an answer of some pieces; return what the page got, and the cell."""
    with kernel.count() as traffic:
        cell = kernel.run(f"%%qfchat\n{pieces} {interval}", live=True)
        kernel.listen(1)
    if cell.status != "ok" or "large model" not in cell.text:
        raise SystemExit(f"no answer: {cell.text[:2000]}")
    return traffic[0], cell


def train(kernel: Page, rows: int, epochs: int, name: str) -> Cell:
    """Start a training, and return its cell once its panel is there."""
    data = [
        {"prompt": f"Question {n}: what is {n} + {n}?", "response": f"It is {2 * n}."}
        for n in range(rows)
    ]
    kernel.run(f"rows = __import__('pandas').DataFrame({data!r})")
    cell = kernel.run(f"%qftrain start -d rows --epoch {epochs} -o {name}", live=True)
    if cell.status != "ok":
        raise SystemExit(f"no training: {cell.text[:2000]}")
    return cell


def wait_until(kernel: Page, expression: str) -> None:
    """Take messages until an expression of the kernel is true."""
    while kernel.value(f"bool({expression})") != "True":
        kernel.listen(0.5)


def measure_chat(env: dict[str, str]) -> tuple[dict[str, float], list[Cell]]:
    """Return what answers cost, and the cells of those that a notebook keeps."""
    with page(env) as kernel:
        ask(kernel, SHORT_PIECES)  # imports and connections
        short = statistics.median(ask(kernel, SHORT_PIECES)[0].size for _ in range(3))
        messages = ask(kernel, SHORT_PIECES)[0].messages
        long, _ = ask(kernel, LONG_PIECES)
        print(
            f"  {SHORT_PIECES} pieces: {messages} messages; {LONG_PIECES} pieces: {long.messages} "
            "messages"
        )
        cells = [ask(kernel, SAVED_PIECES, 0)[1] for _ in range(ANSWERS)]
    return {"13 pieces, kB": short / 1e3, "2,000 pieces, MB": long.size / 1e6}, cells


def measure_training(env: dict[str, str]) -> tuple[dict[str, float], list[Cell]]:
    """Return what panels cost while they work and while they do not, and the cells of finished
    ones.
    """
    with page(env) as kernel:
        bare_messages, bare_cpu = kernel.idle()
        train(kernel, 5000, 50, "long")
        wait_until(kernel, "long.progress.points or long.progress.finished")
        before = kernel.cpu_ms()
        with kernel.count() as traffic:
            kernel.listen(RUNNING_S)
        busy = (kernel.cpu_ms() - before) / RUNNING_S
        print(
            f"  running: {traffic[0].messages / RUNNING_S:.1f} messages/s, {busy / 10:.1f} % of a "
            "processor"
        )
        if kernel.value("long.progress.finished") != "False":
            raise SystemExit(f"the training ended too early: {kernel.value('long.progress.error')}")
        kernel.run("long.stop()")
        cells = []
        for number in range(PANELS):
            cells.append(train(kernel, 60 + number, 5, f"short{number}"))
            wait_until(kernel, f"short{number}.progress.finished")
        form = kernel.run("%qftrain", live=True)
        if form.status != "ok":
            raise SystemExit(f"no form: {form.text[:2000]}")
        messages, cpu = kernel.idle()
        print(
            f"  idle: CPU {cpu:.0f} ms in {IDLE_S:.0f} s, without panels {bare_cpu:.0f} ms, "
            f"{bare_messages} messages"
        )
    return {
        "running training, kB/s": traffic[0].size / RUNNING_S / 1e3,
        "idle panels, messages in 10 s": messages,
        "idle panels, CPU ms in 10 s": max(0.0, cpu - bare_cpu),
    }, cells


def write_notebooks(folder: Path, answers: list[Cell], panels: list[Cell]) -> dict[str, int]:
    """Write the saved outputs as they are, and the text of the answers as plain HTML; return the
    outputs of each.
    """
    texts = [next(text for text in cell.texts if "large model" in text) for cell in answers]
    plain = [
        [{"output_type": "display_data", "data": {"text/html": f"<pre>{html.escape(t)}</pre>"}}]
        for t in texts
    ]
    counts = {}
    for name, outputs in (
        (OPEN_PANELS, [cell.outputs for cell in answers + panels]),
        (OPEN_PLAIN, plain),
    ):
        cells = [
            nbformat.v4.new_code_cell("", outputs=[_saved(output) for output in group])
            for group in outputs
        ]
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, folder / name)
        counts[name] = sum(map(len, outputs))
    sizes = [(folder / name).stat().st_size / 1e3 for name in counts]
    print(f"  saved: {sizes[0]:.0f} kB with panels, {sizes[1]:.0f} kB plain")
    return counts


def _saved(output: dict[str, Any]) -> Any:
    names = ("data", "metadata") if output["output_type"] == "display_data" else ("name", "text")
    return nbformat.v4.new_output(
        output["output_type"], **{name: output.get(name, {}) for name in names}
    )


def measure_opening(answers: list[Cell], panels: list[Cell]) -> dict[str, float]:
    """Return how long a notebook takes to open, as a multiple of one of plain HTML."""
    from playwright.sync_api import sync_playwright

    with contextlib.ExitStack() as stack:
        folder, home = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        counts = write_notebooks(folder, answers, panels)
        url, token = stack.enter_context(run_jupyterlab(folder, home))
        driver = stack.enter_context(sync_playwright())
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        stack.callback(browser.close)
        tab = browser.new_page()
        JupyterLab(url, token, folder, home / "settings").load(tab)
        times: dict[str, list[float]] = {name: [] for name in counts}
        for _ in range(OPENINGS + 1):
            for name, outputs in counts.items():
                times[name].append(tab.evaluate(IS_OPEN, [name, outputs]))
    # the first opening loads parts of JupyterLab
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    print(
        f"  opening: {medians[OPEN_PANELS]:.0f} ms with panels, {medians[OPEN_PLAIN]:.0f} ms plain"
    )
    return {"opening, x plain HTML": medians[OPEN_PANELS] / medians[OPEN_PLAIN]}


def main() -> None:
    """Print one table: what was measured, what it should be at most, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["wire"], help="leave the browser out")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        homes = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2)]
        url = stack.enter_context(answer_server())
        cloud = environment(url, homes[0]) | {"QFNB_LANG": "en"}
        del cloud["QFNB_DISPLAY"]
        own = ("QIANFAN_", "QFNB_", "OPENAI_")
        sandbox = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        sandbox |= {"QFNB_STATE_DIR": homes[1], "QFNB_LANG": "en"}
        stack.callback(
            subprocess.run,
            [sys.executable, "-m", "qfnb", "sandbox", "stop"],
            env=sandbox,
            check=False,
        )
        values, answers = measure_chat(cloud)
        more, panels = measure_training(sandbox)
        values |= more
        if CHROMIUM and options.only != "wire":
            values |= measure_opening(answers, panels)
    print(f"{'':32}{'value':>10}{'at most':>10}{'ratio':>8}")
    for name, value in values.items():
        ratio = f"{value / TARGETS[name]:.1f}x" if TARGETS[name] else "-"
        print(f"{name:32}{value:>10.2f}{TARGETS[name]:>10g}{ratio:>8}")


if __name__ == "__main__":
    main()
