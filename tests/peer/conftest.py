"""The official `qianfan` SDK in separate processes, with the sandbox's URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.sdk_environment import IAM, sdk_environment
from support.sdk_processes import SdkProcesses

from qfnb.sandbox import Address, ensure


@pytest.fixture(scope="module")
def sdk_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SdkProcesses]:
    folder = tmp_path_factory.mktemp("sdk")
    processes = SdkProcesses(sdk_environment(ensure(), folder), folder)
    yield processes
    processes.close()


@pytest.fixture
def sdk(sandbox: Address, tmp_path: Path, sdk_processes: SdkProcesses) -> Callable[..., list[str]]:
    """Run code that imports `qianfan`, with the named keys (the IAM pair by default); return the
    printed lines.
    """

    def run(code: str, *keys: str) -> list[str]:
        exit_code, output, errors = sdk_processes.run(
            code, sdk_environment(sandbox, tmp_path, keys or IAM)
        )
        assert exit_code == 0, errors[-3000:]
        return output.splitlines()

    return run
