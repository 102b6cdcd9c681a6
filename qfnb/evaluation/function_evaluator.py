"""Scoring functions of the user's own as evaluators."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ..base.language import tr
from ..errors import InvalidArgumentError
from .evaluator import LocalEvaluator

ScoringFunction = Callable[..., float | Mapping[str, float]]
"""A function of any of `input`, `reference` and `output`; it returns a number, or numbers by
name.
"""


@dataclass(frozen=True)
class FunctionEvaluator(LocalEvaluator):
    """A scoring function of your own, whose name is the metric's:
    `FunctionEvaluator(day_is_right)`.

    Args:
        function: takes any of `input`, `reference` and `output` by these names; returns a number or
            a truth value, higher being better, or a dictionary of them.

    Raises:
        InvalidArgumentError: its parameters have other names.
    """

    function: ScoringFunction

    def __post_init__(self) -> None:
        names = self._parameters()
        if not names or not names.keys() <= {"input", "reference", "output"}:
            raise InvalidArgumentError(
                tr(
                    "{function}({parameters}) cannot score: name its parameters output (the "
                    "answer), reference "
                    "(the expected answer) and input (the question), those that it needs",
                    function=self._name(),
                    parameters=", ".join(names),
                )
            )

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        values = {"input": input, "reference": reference, "output": output}
        score = self.function(**{name: values[name] for name in self._parameters()})
        if isinstance(score, Mapping):
            return dict(score)
        return {self._name(): score}

    def _failure_names(self) -> Collection[str]:
        return [self._name()]

    @property
    def needs_reference(self) -> bool:  # noqa: D102
        return "reference" in self._parameters()

    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    def _name(self) -> str:
        return str(getattr(self.function, "__name__", type(self.function).__name__))


def to_evaluator(value: LocalEvaluator | ScoringFunction) -> LocalEvaluator:
    """Return an evaluator as it is, and a function as an evaluator.

    Raises:
        InvalidArgumentError: it is neither.
    """
    if isinstance(value, LocalEvaluator):
        return value
    if inspect.isclass(value) or not callable(value):
        raise InvalidArgumentError(
            tr(
                "{value!r} cannot score: give an evaluator, such as ExactMatchEvaluator(), or a "
                "function",
                value=value,
            )
        )
    return FunctionEvaluator(value)
