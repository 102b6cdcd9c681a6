"""A fixture for other people's tests: Qianfan on this computer, without an account, a key or a
network.

`pip install qfnb` registers it with pytest. In a test:

    def test_my_summary(qianfan_sandbox):
        assert summarise("...")                     # whatever client it uses: qfnb, openai, qianfan, plain HTTP

    def test_a_refusal_is_handled(qianfan_sandbox):
        qianfan_sandbox.fail("chat.v2", status=429, times=1)
        assert summarise("...")

While the test runs, `QIANFAN_*` and `OPENAI_*` in the environment lead to the sandbox, and qfnb
uses it too. One process serves a whole session (one for each worker of pytest-xdist), starts with
the first test that asks for it, and has a state of its own in a temporary folder; faults end with
their test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .sandbox.process import Address


class QianfanSandbox:
    """The sandbox of a test.

    Attributes:
        url: its address; `/v2` below it is OpenAI's API.
        api_key: a key that it accepts; it opens nothing else.
        environment: the variables that lead clients to it, keys included.
    """

    def __init__(self, address: Address) -> None:
        from .sandbox.command import environment  # noqa: PLC0415 - loading the plugin loads nothing heavy

        self._address = address
        self.url = address.url
        self.api_key = address.api_key
        self.environment = environment(address)

    def fail(self, endpoint: str = "chat.v2", fault: str = "status", **details: Any) -> None:
        """Make calls fail until the end of the test.

        Args:
            endpoint: an operation or a pattern: `chat.v2`, `finetune.*`, `*`.
            fault: `status`, `slow`, `stall`, `cut`, `reset`, `error`, ...; see `qfnb sandbox faults
                add --help`.
            **details: `status`, `code`, `times`, `chance`, `seconds`, ... of the fault.

        Raises:
            SandboxError: the sandbox does not know such a fault.
        """
        self._control("POST", "faults", {"endpoint": endpoint, "fault": fault, **details})

    def requests(self) -> dict[str, int]:
        """Return how many requests it has had since its start, by operation."""
        counts: dict[str, int] = self._control("GET", "health")["requests"]
        return counts

    def clear_faults(self) -> None:
        """Let all calls succeed again."""
        self._control("DELETE", "faults")

    def _control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        from .sandbox import process  # noqa: PLC0415

        return process.ask_control(method, path, body, self._address)


@pytest.fixture(scope="session")
def _qianfan_sandbox_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of the session's sandbox, which ends with the session."""
    from .sandbox import process  # noqa: PLC0415

    state = tmp_path_factory.mktemp("qianfan")
    yield state
    process.stop(state / "sandbox")


@pytest.fixture
def qianfan_sandbox(
    _qianfan_sandbox_state: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[QianfanSandbox]:
    """Qianfan on this computer for one test; see the module `qfnb.pytest_plugin`."""
    from . import config  # noqa: PLC0415
    from .sandbox import process  # noqa: PLC0415

    # a real key has no business here
    for name in [name for name in os.environ if name.startswith("QIANFAN_")]:
        monkeypatch.delenv(name)
    sandbox = QianfanSandbox(process.ensure(_qianfan_sandbox_state / "sandbox"))
    settings = {"QFNB_STATE_DIR": str(_qianfan_sandbox_state), "QIANFAN_PLATFORM": "sandbox"}
    for name, value in {**sandbox.environment, **settings}.items():
        monkeypatch.setenv(name, value)
    with config.get_config().unset():
        yield sandbox
    sandbox.clear_faults()
