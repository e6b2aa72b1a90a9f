"""The way to a server, as the environment has it: which proxy, by which variable, and which credentials of .netrc."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes, urlsplit

import requests.utils
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from mixnet_tools.network.failure import Kind, SourceFailure

_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
_KINDS = "http, https, socks5 or socks5h"
_SYSTEM = "the system's settings"


@dataclass(frozen=True)
class Proxy:
    """A proxy: its ``url`` with its secrets, ``host`` and ``port`` to show, and the ``variable`` that names it."""

    url: str = field(repr=False)
    scheme: str
    host: str
    port: int
    variable: str

    def __str__(self) -> str:
        return f"the proxy {_authority(self.host, self.port)} ({self.variable})"

    @property
    def has_credentials(self) -> bool:
        """Whether a user name or a password is sent to it."""
        return auth_of_url(self.url) is not None

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, not HTTP."""
        return self.scheme.startswith("socks")


@dataclass(frozen=True)
class Route:
    """The way to the server ``scheme://host:port``. ``auth`` is what the URL has for it, or else .netrc."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None = None
    auth: HTTPBasicAuth | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """Host and port, as in a URL."""
        return _authority(self.host, self.port)

    @property
    def forwards(self) -> bool:
        """Whether a proxy takes the request and answers itself: then whatever fails is between it and us."""
        return self.proxy is not None and self.scheme == "http" and not self.proxy.is_socks

    @property
    def proxies(self) -> dict[str, str]:
        """The proxy, as requests wants it."""
        return {self.scheme: self.proxy.url} if self.proxy else {}


def find_route(url: str) -> Route:
    """The way to the server of ``url``. Raises :class:`SourceFailure` for a URL or a proxy that cannot be used."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if not host:
            raise ValueError("no host")
        found = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url, _no_proxy()))
    except ValueError:  # its text shows the URL
        raise SourceFailure("is not a usable URL", Kind.PERMANENT) from None
    proxy = _proxy(found, parts.scheme) if found else None
    return Route(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, proxy, auth_for(url))


def auth_for(url: str) -> HTTPBasicAuth | None:
    """User name and password for the server of ``url``: its own, or else those of .netrc."""
    if auth := auth_of_url(url):
        return auth
    try:
        found = requests.utils.get_netrc_auth(url)
    except (ValueError, OSError):  # a file that is no text, for one
        return None
    return HTTPBasicAuth(*(part.encode() for part in found)) if found else None


def auth_of_url(url: str) -> HTTPBasicAuth | None:
    """User name and password in ``url``, of which one may be missing. They are UTF-8, as for curl."""
    userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    return HTTPBasicAuth(unquote_to_bytes(user), unquote_to_bytes(password)) if at and (user or password) else None


def _no_proxy() -> str | None:
    """NO_PROXY as urllib understands it, where it has names such as ``*.example.org``; None where it is as it is."""
    value = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return value.replace("*.", ".") if "*." in value else None


def _proxy(value: str, scheme: str) -> Proxy:
    variable = _variable(value, scheme)
    value = value.strip()
    url = value if "://" in value else f"http://{value}"
    kind = url.partition("://")[0].lower()
    if kind not in _PORTS:
        raise SourceFailure(
            f"{variable} names a proxy of the kind {kind!r}: expected {_KINDS}, as in http://HOST:PORT", Kind.PERMANENT
        )
    parts = _parsed(url)
    if parts is None or not parts.host or not _is_name(parts.host):
        raise SourceFailure(
            f"{variable} does not name a usable proxy: expected http://HOST:PORT "
            "(signs in a password are written as %40 and so on)",
            Kind.PERMANENT,
        )
    if kind.startswith("socks") and importlib.util.find_spec("socks") is None:
        raise SourceFailure(
            f"{variable} names a SOCKS proxy, which needs the package PySocks (pip install 'mixnet-tools[socks]')",
            Kind.PERMANENT,
        )
    return Proxy(url, kind, parts.host.strip("[]"), parts.port or _PORTS[kind], variable)


def _parsed(url: str) -> Url | None:
    try:
        return parse_url(url)
    except LocationParseError:  # its text shows the URL
        return None


def _is_name(host: str) -> bool:
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def _variable(value: str, scheme: str) -> str:
    """The environment's variable that has ``value``, in the order in which requests looks."""
    names = [f"{kind}_proxy" for kind in (scheme, "all")]
    return next((name for lower in names for name in (lower, lower.upper()) if os.environ.get(name) == value), _SYSTEM)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
