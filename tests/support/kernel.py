"""A real kernel, spoken to as a front end does: outputs are kept, updated and cleared by its
messages.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

import httpx
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from support.waiting import until


@dataclass
class Cell:
    """A cell that was sent to the kernel, and what it shows by now."""

    id: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    status: str = ""

    @property
    def texts(self) -> list[str]:
        """The text of every output, streams and errors included."""
        return [_text(output) for output in self.outputs]

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    @property
    def html(self) -> str:
        return "\n".join(output.get("data", {}).get("text/html", "") for output in self.outputs)

    @property
    def error(self) -> list[str]:
        """The lines that a person reads of an error."""
        return next(
            (output["traceback"] for output in self.outputs if output["output_type"] == "error"), []
        )


def is_live(output: dict[str, Any]) -> bool:
    """Return whether a page draws a widget over this output: it has a frame, and the model that
    finds it.
    """
    return 'class="qf-frame-' in output.get("data", {}).get("text/html", "")


def _text(output: dict[str, Any]) -> str:
    kind = output["output_type"]
    if kind == "stream":
        return output["text"]
    return (
        "\n".join(output["traceback"]) if kind == "error" else output["data"].get("text/plain", "")
    )


def _add_stream(outputs: list[dict[str, Any]], content: dict[str, Any]) -> None:
    """Add text to the output; a kernel sends one print in any number of messages, which a front end
    joins.
    """
    last = outputs[-1] if outputs else {}
    if last.get("output_type") == "stream" and last["name"] == content["name"]:
        last["text"] += content["text"]
    else:
        outputs.append({"output_type": "stream", **content})


class Kernel:
    """One kernel and its cells."""

    def __init__(self) -> None:
        env = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
        self.manager = KernelManager()
        self.manager.start_kernel(env=env)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=240)
        self.cells: dict[str, Cell] = {}
        self.open_comms: set[str] = set()
        self.widget_texts: list[str] = []
        self.frames_comm = ""
        """The model of all live outputs, which stays as long as the kernel; it and its layout count
        as no open comm.
        """
        self.frames: dict[str, Any] = {}
        """Its state."""
        self.run("%load_ext qfnb")
        self.major = int(self.value("__import__('ipykernel').version_info[0]"))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def restart(self) -> int:
        """Restart as a front end does, and load qfnb; return the exit code of the old process,
        which ends by itself.
        """
        process = self.manager.provisioner.process
        self.client.shutdown(restart=True)
        until(lambda: process.poll() is not None)
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=240)
        self.open_comms.clear()
        self.run("%load_ext qfnb")
        return int(process.returncode)

    def close_comms(self) -> None:
        """Close every comm, as a page does that is closed."""
        for comm in self.open_comms:
            message = self.client.session.msg("comm_close", {"comm_id": comm, "data": {}})
            self.client.shell_channel.send(message)

    def start(self, code: str, *, live: bool = False) -> Cell:
        """Send a cell, as JupyterLab does (live) or as a program does, and do not wait."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": False}
        metadata = {"cellId": "cell-1"} if live else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.widget_texts.clear()
        self.client.shell_channel.send(message)
        cell = self.cells[message["header"]["msg_id"]] = Cell(message["header"]["msg_id"])
        return cell

    def run(self, code: str, *, live: bool = False, timeout: float = 180) -> Cell:
        """Send a cell and wait for its end."""
        return self.wait(self.start(code, live=live), timeout)

    def wait(self, cell: Cell, timeout: float = 180) -> Cell:
        self.until(lambda: bool(cell.status), timeout)
        return cell

    def until(self, condition: Any, timeout: float = 180) -> None:
        """Take messages until something holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "nothing happened in time"
            try:
                self._handle_message(self.client.get_iopub_msg(timeout=0.05))
            except Empty:
                continue

    def until_widget_shows(self, text: str) -> None:
        """Wait until a widget has shown a text since the latest cell was sent."""
        self.until(lambda: any(text in shown for shown in self.widget_texts))

    def until_silent(self, seconds: float = 1) -> None:
        """Wait until no widget has changed for some time."""
        is_silent = False
        while not is_silent:
            self.widget_texts.clear()
            self.listen(seconds)
            is_silent = not self.widget_texts

    def listen(self, seconds: float) -> None:
        """Take messages for some time."""
        deadline = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > deadline, seconds + 5)

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def value(self, expression: str) -> str:
        """Return the repr of an expression."""
        return self.run(f"print(repr({expression}))").text.strip()

    def _handle_message(self, message: dict[str, Any]) -> None:
        kind = message["msg_type"]
        content = message["content"]
        cell = self.cells.get(message["parent_header"].get("msg_id", ""))
        if kind == "comm_open":
            self._open_comm(content["comm_id"], content["data"].get("state", {}))
        elif kind == "comm_msg":
            self._receive_comm(content["comm_id"], content["data"])
        elif kind == "comm_close":
            self.open_comms.discard(content["comm_id"])
        elif kind == "update_display_data":
            self._update(content)
        elif cell is None:
            return
        elif kind == "stream":
            _add_stream(cell.outputs, content)
        elif kind in {"display_data", "execute_result"}:
            cell.outputs.append({"output_type": "display_data", **content})
        elif kind == "error":
            cell.outputs.append({"output_type": "error", **content})
            cell.status = "error"
        elif kind == "status" and content["execution_state"] == "idle":
            cell.status = cell.status or "ok"

    def _open_comm(self, comm_id: str, state: dict[str, Any]) -> None:
        if str(state.get("_anywidget_id")).endswith("LiveFrames"):
            self.frames_comm = comm_id
            self.frames = {}
            self.open_comms.discard(state["layout"].removeprefix("IPY_MODEL_"))
            self.send_to_frames({"type": "attached"})
            self._draw_frames(state)
        else:
            self.open_comms.add(comm_id)

    def _receive_comm(self, comm_id: str, data: dict[str, Any]) -> None:
        if comm_id == self.frames_comm:
            self._draw_frames(data["state"])
        else:
            self.widget_texts.append(json.dumps(data, ensure_ascii=False))

    def send_to_frames(self, content: dict[str, Any]) -> None:
        """Send what a page says to the model of all live outputs."""
        data = {"comm_id": self.frames_comm, "data": {"method": "custom", "content": content}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", data))

    def press(self) -> None:
        """Press the button of the live output that was drawn last."""
        self.send_to_frames({"type": "press", "frame": self.frames["frames"][-1]})

    def _draw_frames(self, changes: dict[str, Any]) -> None:
        self.frames |= changes
        for name in self.frames["frames"]:
            chunks = [self.frames[f"{name}-{n}"] for n in range(self.frames[name].get("html", 0))]
            self.widget_texts.append("".join(chunks))

    def _update(self, content: dict[str, Any]) -> None:
        display_id = content["transient"]["display_id"]
        for cell in self.cells.values():
            for output in cell.outputs:
                if output.get("transient", {}).get("display_id") == display_id:
                    output["data"] = content["data"]


def record_messages(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[float, str, dict[str, Any]]]:
    """Return a list that fills with the times, when they were sent, kinds and contents of
    messages.
    """
    messages: list[tuple[float, str, dict[str, Any]]] = []
    handle = kernel._handle_message

    def record(message: dict[str, Any]) -> None:
        messages.append(
            (message["header"]["date"].timestamp(), message["msg_type"], message["content"])
        )
        handle(message)

    monkeypatch.setattr(kernel, "_handle_message", record)
    return messages


def max_per_second(times: list[float]) -> int:
    """Return how many of these moments lie in one second at most."""
    return max((sum(t <= start < t + 1 for start in times) for t in times), default=0)


def request_counts(control: httpx.Client) -> dict[str, int]:
    """Return how many requests the sandbox has had, by endpoint."""
    counts: dict[str, int] = control.get("/_sandbox/health").json()["requests"]
    return counts
