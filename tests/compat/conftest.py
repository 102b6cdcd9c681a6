"""The sandbox with keys, as the platform has them."""

import pytest

from qfnb.sandbox import Address
from qfnb.sandbox.command import environment


@pytest.fixture
def account(sandbox: Address, monkeypatch: pytest.MonkeyPatch) -> Address:
    """The sandbox's address and keys, which the settings have too."""
    for name, value in environment(sandbox).items():
        monkeypatch.setenv(name, value)
    return sandbox
