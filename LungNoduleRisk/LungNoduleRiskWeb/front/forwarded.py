"""What a proxy in front of this server says of a request; only a proxy that was named is
believed."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

from aiohttp import web

from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _


class Forwarded:
    """Reads the headers of trusted proxies, and of nobody else.

    Args:
        proxies: their addresses or networks, such as ``127.0.0.1`` or ``172.16.0.0/12``.
        user_header: of them, the header that names the user whom they signed on.

    Raises:
        NoduleRiskError: one is not an address.
    """

    def __init__(self, proxies: Sequence[str] = (), user_header: str | None = None):
        self.user_header = user_header
        try:
            self._networks = [ip_network(one) for one in proxies]
        except ValueError as error:
            words = _(
                "A trusted proxy is named by its address, as 127.0.0.1 or 172.16.0.0/12: {reason}."
            )
            raise NoduleRiskError(words.format(reason=str(error))) from None

    def is_secure(self, request: web.Request) -> bool:
        """Whether the browser's connection is encrypted, up to us or up to a trusted proxy."""
        said = request.headers.getall("X-Forwarded-Proto", [""])[-1]
        by_proxy = said.rpartition(",")[2].strip().lower() == "https"  # the nearest proxy's word
        return request.secure or (by_proxy and self.is_from_proxy(request))

    def user(self, request: web.Request) -> str | None:
        """The user whom a trusted proxy signed on; None: nobody.

        A header that is there twice is nobody's: one of them is the browser's own.
        """
        if self.user_header is None or not self.is_from_proxy(request):
            return None
        names = request.headers.getall(self.user_header, [])
        return (names[0].strip() or None) if len(names) == 1 else None

    def is_from_proxy(self, request: web.Request) -> bool:
        """Whether a trusted proxy has passed this request on."""
        return any(self._peer(request) in network for network in self._networks)

    def is_from_here(self, request: web.Request) -> bool:
        """Whether this machine itself asks, and no proxy for somebody else."""
        return self._peer(request).is_loopback and not self.is_from_proxy(request)

    def _peer(self, request: web.Request):
        address = ip_address(request.remote or "::")  # gone already: an address that nobody has
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return mapped or address
