"""What the toolkit and the sandbox's process write for each other in the sandbox's folder:
`server.json` has the address of the running server (`Address`).
"""

from dataclasses import dataclass, field

# the version of the address file and the control interface; a server of another version is replaced
VERSION = 1
EXIT_LOCKED = 3  # the exit code of a server when another one is running


@dataclass(frozen=True)
class Address:
    """The address of a running sandbox, and the keys that it accepts; no key is in its repr."""

    url: str
    pid: int
    version: int
    bucket: str
    control_token: str = field(repr=False)
    api_key: str = field(repr=False)
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    ak: str = field(repr=False)
    sk: str = field(repr=False)
