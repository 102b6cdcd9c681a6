"""A chart of a report as a value: its title, what it shows in words, its SVG and its PNG; drawn
when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ....base.language import tr
from ....base.private_files import write_atomically
from ....errors import InvalidArgumentError
from ....evaluation.report import ReportData
from ....evaluation.report.sources import HasModels, sandbox_mark, source_sentence, with_mark
from ....evaluation.report.text import metric_title, to_plain
from ... import fonts
from ...components import Html
from ...drawing import Drawing
from ...line_chart import with_words
from ...text import escape


class ChartNotDrawn(InvalidArgumentError):
    """A chart would be empty for this report; the message has the reason."""


@dataclass(frozen=True)
class ChartLabels:
    """The labels of a report's models and metrics."""

    models: fonts.NameLabels
    metrics: fonts.NameLabels

    @property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """The names that letters stand for."""
        return (*self.models.legend, *self.metrics.legend)


@dataclass(frozen=True, repr=False)
class Chart:
    """A chart of a report; it shows itself in a notebook.

    Attributes:
        title: what is seen.
        alt: what it shows, with the numbers.
        report: the report, or what else it is of.
        metrics: the metrics that it shows.
        draw: returns the chart with these labels.
        counted: how its numbers were counted, "" for what the report says.
        note: what is seen beside it.
    """

    title: str
    alt: str
    report: HasModels = field(compare=False)
    metrics: Sequence[str]
    draw: Callable[[ChartLabels], Drawing] = field(compare=False)
    counted: str = ""
    note: str = ""

    @cached_property
    def svg(self) -> Html:
        """The chart for pages: inline SVG, with values on hover."""
        return self.draw(self._labels(is_picture=False)).svg(self.alt)

    @cached_property
    def png(self) -> bytes:
        """The chart as a transparent picture with its title and its source; its file says in words
        what it shows.
        """
        words = to_plain(f"{self.alt} {self.source}")
        return self.draw(self._labels(is_picture=True)).png(self._marked_title, self.source, words)

    @property
    def source(self) -> str:
        """How its numbers were counted, on how many answers, what it leaves open, and the sandbox's
        mark.
        """
        report = self.report
        if isinstance(report, ReportData):
            counted = source_sentence(report, self.metrics)
        else:
            counted = self.counted
        return to_plain(" · ".join(filter(None, [counted, self.note, sandbox_mark(report)])))

    @property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """(letter, name), where the picture has letters instead of names."""
        return self._labels(is_picture=True).legend

    @property
    def hint(self) -> str:
        """How to install a font, where the picture lacks one."""
        labels = self._labels(is_picture=True)
        return labels.models.hint or labels.metrics.hint

    def captions(self) -> list[str]:
        """Return the names of the picture's letters, how to install a font, and the source."""
        return [line for line in (_format_legend(self.legend), self.hint, self.source) if line]

    @property
    def html(self) -> Html:
        """The chart with its title."""
        labels = self._labels(is_picture=False)
        if labels.legend:
            legend = f'<p class="qf-dim">{escape(_format_legend(labels.legend))}</p>'
        else:
            legend = ""
        caption = f"<figcaption>{escape(self._marked_title)}</figcaption>"
        picture = with_words(self.alt, self.svg)
        source = f'<p class="qf-dim">{escape(self.source)}</p>'
        return Html(f'<figure class="qf-fig">{caption}{picture}{legend}{source}</figure>')

    def save(self, path: str | Path) -> Path:
        """Write the picture as a .png file; return its path.

        Raises:
            InvalidArgumentError: the path does not end in .png, or the file cannot be written.
        """
        path = Path(path).expanduser()
        if path.suffix.lower() != ".png":
            raise InvalidArgumentError(tr("{file} does not end in .png", file=repr(path.name)))
        with write_atomically(path) as file:
            file.write(self.png)
        return path

    @property
    def _marked_title(self) -> str:
        return to_plain(with_mark(self.title, self.report))

    def _labels(self, *, is_picture: bool) -> ChartLabels:
        titles = {name: metric_title(name) for name in self.metrics}
        return ChartLabels(
            fonts.build_labels(
                {model: model for model in self.report.models}, is_picture=is_picture
            ),
            fonts.build_labels(titles, "M", is_picture=is_picture),
        )

    def __repr__(self) -> str:
        return f"{self.title}\n{self.alt}\n{self.source}"


def _format_legend(legend: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{short} = {name}" for short, name in legend)
