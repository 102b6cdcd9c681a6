"""What models, services and actions have in common: they are executed, and written to bytes.
Source: seed 004.
"""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")


class Executable(ABC, Generic[Input, Output]):
    """An object that can be executed."""

    @abstractmethod
    def exec(self, input: Input | None = None, **kwargs: Any) -> Output:  # noqa: A002 - the seeds' word
        """Execute, and return the output."""


class Serializable(ABC):
    """An object that can be written to bytes and read back."""

    @abstractmethod
    def dumps(self) -> bytes | None:
        """Return the object as UTF-8 JSON."""

    @abstractmethod
    def loads(self, data: bytes) -> Any:
        """Read what `dumps` wrote."""


class ExecuteSerializable(Executable[Input, Output], Serializable):
    """An object that can be executed and written to bytes."""
