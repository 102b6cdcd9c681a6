"""All exceptions of qfnb.

* QianfanError
  + InvalidArgumentError      the call is wrong; nothing was sent
    - DatasetError            a data file is wrong; names the file and the line
    - CredentialsError        no key, or half of a pair, or a key of the wrong kind
  + RequestError              no usable response came back
    - ConnectionFailed        the host could not be reached
        - TLSError            its certificate is not trusted
    - RequestTimeoutError     the host was reached and did not answer in time
    - UnexpectedContent       the response does not follow the protocol
    - ResponseTooLarge        the response is larger than a reply can be
    - StreamInterrupted       a stream ended early; `partial` holds what arrived
  + APIError                  Qianfan answered with an error
    - AuthError               bad or expired credentials
    - RateLimitError          too fast
    - NotActivatedError       the service is not activated, or the account is in arrears
    - ServerError             an error of the platform; trying again may help
  + UnreadableAnswer          a model's answer is not in the requested format; `answer` holds it
  + ToolLoopError             a model calls functions and does not come to an answer; `steps` has
  the calls
  + SandboxError              the local sandbox cannot start or has stopped
  + InternalError             the object's state does not allow this step
    - TrainingError           a training run failed or was stopped
"""

import linecache
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from .base.language import tr
from .base.text import strip_controls
from .redact import redact

MAX_LINES = 3
"""Lines of an error in a notebook; of several cells to run next each has its own."""


class QianfanError(Exception):
    """Base class of every qfnb error; `attempts` says how often the call was sent."""

    attempts: int = 1

    def _render_traceback_(self) -> list[str]:
        """Return the traceback of a notebook: the message and the user's own line, at most three
        lines, as one text.

        IPython joins several texts without line breaks in `%xmode Plain` and `Minimal`.
        """
        lines, cells = split_message(self)
        first, *others = lines or [""]
        cell_line = _cell_line(self.__traceback__)
        return ["\n".join([f"{type(self).__name__}: {first}{cell_line}", *others, *cells])]


class InvalidArgumentError(QianfanError, ValueError):
    """The call is wrong; nothing was sent.

    Attributes:
        columns: those that the data have, where the one that is needed is not among them.
        correction: what is wrong in a text, and what may be meant; "" where nothing is alike.
    """

    columns: Sequence[str] = ()
    correction: tuple[str, str] = ("", "")


class DatasetError(InvalidArgumentError):
    """A data file is wrong.

    Attributes:
        path, line: of the first problem; the line counts from 1, None if unknown.
        problems: the first ten.
        count: of all problems.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        line: int | None = None,
        problems: Sequence[object] = (),
        count: int = 1,
    ) -> None:
        if line is not None:
            location = f"{path}:{line}: "
        elif path:
            location = f"{path}: "
        else:
            location = ""
        super().__init__(f"{location}{message}")
        self.path = path
        self.line = line
        self.problems = tuple(problems)
        self.count = count


class CredentialsError(InvalidArgumentError):
    """No key, or half of a pair, or a key of the wrong kind."""


class RequestError(QianfanError):
    """No usable response came back from the server; `partial` is the text that had arrived of a
    stream.
    """

    partial: str = ""


class ConnectionFailed(RequestError):
    """The host could not be reached.

    Attributes:
        host: "" if unknown.
        sent: True if the platform may have received the whole request.
    """

    def __init__(self, message: str, *, host: str = "", sent: bool = False) -> None:
        super().__init__(message)
        self.host = host
        self.sent = sent


class TLSError(ConnectionFailed):
    """The host's certificate is not trusted, or it does not speak TLS; the call is not tried
    again.
    """


class RequestTimeoutError(RequestError):
    """The host was reached and did not answer in time."""


class UnexpectedContent(RequestError):
    """The response does not follow the protocol.

    Attributes:
        request_id: for the platform's support; "" if the response had none.
    """

    def __init__(self, message: str, *, request_id: str = "") -> None:
        super().__init__(message)
        self.request_id = request_id

    def __str__(self) -> str:
        summary, *details = super().__str__().split("\n")
        if self.request_id:
            request = tr(" (request {request_id})", request_id=self.request_id)
        else:
            request = ""
        return "\n".join([f"{summary}{request}", *details])


class ResponseTooLarge(RequestError):
    """The response is larger than a reply can be."""


class StreamInterrupted(RequestError):
    """A stream ended before its end mark.

    Attributes:
        partial: the text that had arrived.
        events: how many events had arrived.
    """

    def __init__(self, message: str, *, partial: str = "", events: int = 0) -> None:
        super().__init__(message)
        self.partial = partial
        self.events = events


class APIError(QianfanError):
    """Qianfan answered with an error code.

    Attributes:
        error_code: the platform's code, an int (v1, console) or a word (v2).
        error_msg: the platform's own text.
        request_id: for the platform's support; "" if the response had none.
        hint: what it means and what to do.
        status: the HTTP status.
        retry_after: seconds that the server asked to wait, None if it did not.
        partial: the text that had arrived when a stream ended with this error.
    """

    partial: str = ""

    def __init__(
        self,
        error_code: int | str,
        error_msg: str,
        request_id: str = "",
        *,
        hint: str = "",
        status: int = 200,
        retry_after: float | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_msg = error_msg
        self.request_id = request_id
        self.hint = hint
        self.status = status
        self.retry_after = retry_after
        super().__init__(error_code, error_msg, request_id)

    @property
    def req_id(self) -> str:
        """The official SDK's name of `request_id`."""
        return self.request_id

    def __str__(self) -> str:
        if self.request_id:
            request = tr(" (request {request_id})", request_id=self.request_id)
        else:
            request = ""
        if self.retry_after:
            retry = tr(" (retry after {retry_after:.0f} s)", retry_after=self.retry_after)
        else:
            retry = ""
        summary = f"[{self.error_code}] {self.error_msg}{retry}{request}"
        if self.hint:
            return f"{summary}\n{self.hint}"
        return summary


class AuthError(APIError):
    """Credentials are missing, wrong or expired."""


class RateLimitError(APIError):
    """Requests are coming too fast.

    Attributes:
        was_sent: False if this computer's rate limiter held the request back and nothing was sent.
    """

    was_sent: bool = True


class NotActivatedError(APIError):
    """The service is not activated for this account, or the account is in arrears."""


class ServerError(APIError):
    """An error of the platform; trying again may help."""


class UnreadableAnswer(QianfanError):
    """A model's answer is not in the requested format.

    Attributes:
        answer: its text.
        reply: the reply, with usage and cost; None if only the text is known.
    """

    def __init__(self, message: str, *, answer: str = "", reply: Any = None) -> None:
        super().__init__(message)
        self.answer = answer
        self.reply = reply


class ToolLoopError(QianfanError):
    """A model calls functions and does not come to an answer.

    Attributes:
        steps: the calls, `ToolStep`s.
    """

    def __init__(self, message: str, *, steps: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.steps = tuple(steps)


class SandboxError(QianfanError):
    """The local sandbox cannot start or has stopped."""


class InternalError(QianfanError):
    """The object's state does not allow this step."""


class TrainingError(InternalError):
    """A training run failed or was stopped; the official SDK raises its InternalError then."""


def split_message(error: object) -> tuple[list[str], list[str]]:
    """Return at most three lines of an error, or of its text, and the cells to run next, which end
    it; one that begins with `%%` goes on to the end.
    """
    lines = strip_controls(error).splitlines()
    cells: list[str] = []
    magic = next((i for i, line in enumerate(lines) if i and line.startswith("%%")), len(lines))
    if lines[magic + 1 :]:  # a cell with a text
        cells = ["\n".join(lines[magic:])]
        lines = lines[:magic]
    while len(lines) > 1 and lines[-1].startswith("%"):
        cells.insert(0, lines.pop())
    return lines[: max(MAX_LINES - bool(cells), 1)], cells


def _cell_line(trace: TracebackType | None) -> str:
    """Return the line of the user's cell in which the error arose, "" if it did not arise in a
    cell.
    """
    for frame in reversed(traceback.extract_tb(trace)):
        in_cell = "ipykernel_" in frame.filename or frame.filename.startswith("<ipython-input")
        if in_cell:
            source = linecache.getline(frame.filename, frame.lineno or 0).strip()
        else:
            source = ""
        if source and "run_cell_magic" not in source and "run_line_magic" not in source:
            excerpt = redact(source)[:80]  # redacted before it is cut: half a key is not recognised
            return tr("   ← cell line {lineno}: {excerpt}", lineno=frame.lineno, excerpt=excerpt)
    return ""
