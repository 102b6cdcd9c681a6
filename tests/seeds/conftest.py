"""The seeds run twice: on the sandbox as it comes, and on a strict one, where retired models and v1
are gone.
"""

import pytest
from support.raw_http import open_client

from qfnb.sandbox import ensure


@pytest.fixture(scope="module", autouse=True, params=["lenient", "strict"])
def mode(request):
    """Set the sandbox's mode; what the blocks create under fixed names is gone afterwards."""
    address = ensure()
    headers = {"authorization": f"Bearer {address.control_token}"}
    with open_client(f"{address.url}/_sandbox/", headers=headers) as control:
        control.post("snapshots", json={"name": "before"}).raise_for_status()
        control.post("modes", json={"strict": request.param == "strict"}).raise_for_status()
        yield request.param
        control.post("restore", json={"name": "before"}).raise_for_status()
        control.delete("snapshots/before").raise_for_status()
        control.post("modes", json={"strict": False}).raise_for_status()
