"""Panels: an output that follows a job while it works, and is static HTML when the job has
ended.
"""

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Final, Protocol

from ..transport import event_loop
from .display import Bundle, LiveOutput, display_mode, publish


class PanelControls(Protocol):
    """The widgets of a panel; they also have a method `draw` that shows a state."""

    @property
    def is_asking(self) -> bool:
        """Whether a question is open, whose buttons keep the keyboard's focus."""

    def build(self) -> Any:
        """Return the widget."""


class Panel(ABC):
    """Shows a job while it works.

    `show` displays the panel in the current cell; `publish_final` shows the end in the cell that
    waits.

    Attributes:
        job: a batch, an evaluation or a trainer; its state is the value `job.progress`.
    """

    poll_s: float = 0.25
    """Seconds between two looks at the job, however much happens meanwhile."""

    def __init__(self, job: Any) -> None:
        self.job = job
        self._live: LiveOutput | None = None

    @abstractmethod
    def _create_controls(self) -> PanelControls:
        """Return the widgets of the panel."""

    @abstractmethod
    def _bundle(self, progress: Any) -> Bundle:
        """Return a state in every static format."""

    @abstractmethod
    def result(self) -> str:
        """Return in a line or two what has come out of the job."""

    @abstractmethod
    def _go_on(self, progress: Any) -> str:
        """Return the way to go on, for a page whose kernel is gone."""

    def _draw(self, controls: Any, progress: Any) -> None:
        """Show a state in the widgets."""
        controls.draw(progress)

    def _has_ended(self) -> bool:
        return bool(self.job.progress.is_finished)

    def _is_open(self) -> bool:
        """Return whether the panel still moves."""
        return not self._has_ended()

    def show(self, notice: str = "") -> None:
        """Display the panel in the current cell and follow the job."""
        RECENT_PANELS.append(self)
        if notice and display_mode() != "live":
            print(notice)  # noqa: T201 - this is the cell's output
            return
        controls = self._create_controls()
        draw = lambda _, progress: self._draw(controls, progress)  # noqa: E731 - one expression
        self._live = live = LiveOutput(
            self.job.progress,
            widget=controls.build,
            draw=draw,
            final=self._bundle,
            go_on=self._go_on,
        )
        if live.mode == "live":
            contextvars.copy_context().run(event_loop.submit, self._follow(live, controls))
        else:
            live.finish(self.job.progress)

    def publish_final(self) -> None:
        """Publish the state from the current cell; in static mode this is the only output."""
        if self._live is None or self._live.mode != "live":
            bundle = self._bundle(self.job.progress)
            html = bundle["text/html"].replace(
                ' role="status"', ""
            )  # the panel has said it already
            publish({**bundle, "text/html": html})
        elif self._has_ended():
            self._live.finish(self.job.progress)
            self._live.republish()

    async def _follow(self, live: LiveOutput, controls: PanelControls) -> None:
        while self._is_open():
            live.update(self.job.progress)
            if not controls.is_asking:
                await asyncio.to_thread(live.renew_when_due)
            await asyncio.sleep(self.poll_s)
        await asyncio.to_thread(live.finish, self.job.progress)  # drawing may take a second


RECENT_PANELS: Final[deque[Panel]] = deque(maxlen=60)  # the panels of this kernel, the newest last


def find_panel(job: object) -> Panel | None:
    """Return the newest panel of a job, None where it has none."""
    return next((panel for panel in reversed(RECENT_PANELS) if panel.job is job), None)
