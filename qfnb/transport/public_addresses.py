"""Connections to public addresses only, for URLs that the platform returned.

A name is resolved once, and the connection goes to the addresses that were checked: a name server
that answers differently the second time (DNS rebinding) gains nothing.
"""

import contextlib
import ipaddress
import socket
from typing import Final

from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult

_IPV6_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses of IPv4 hosts in networks that have only IPv6; the IPv4 address is their last 32
bits.
"""


class PrivateAddressError(OSError):
    """A host has an address that is not public."""


def is_public_address(address: str) -> bool:
    """Return whether an IP address is one of the public Internet.

    Tunnels that hold an IPv4 address (6to4, Teredo) are not, nor is the NAT64 prefix for local use.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64 or ip.ipv4_mapped:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _IPV6_UNICAST or ip.sixtofour or ip.teredo:
            return False
    return ip.is_global and not ip.is_multicast


class PublicResolver(ThreadedResolver):
    """Resolves the names of hosts that have only public addresses."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host, all of them public.

        Raises:
            PrivateAddressError: one is not.
        """
        results = await super().resolve(host, port, family)
        if not all(is_public_address(row["host"]) for row in results):
            raise PrivateAddressError(host)
        return results

    async def validate(self, host: str, *, by_proxy: bool) -> None:
        """Raise for a host that is connected to without this resolver: a numeric one, or by a
        proxy.

        Args:
            host: of the URL.
            by_proxy: whether a proxy resolves the name; one that only the proxy can resolve is
                accepted.

        Raises:
            PrivateAddressError: the host has an address that is not public.
        """
        # as aiohttp: "127.1" and "2130706433" are addresses
        if ":" in host or host.replace(".", "").isdigit():
            if not is_public_address(host):
                raise PrivateAddressError(host)
        elif by_proxy:
            with contextlib.suppress(socket.gaierror):
                await self.resolve(host, family=socket.AF_UNSPEC)
