"""Sends requests for which requests has nothing to do: no proxy, no credentials, no cookies, no odd address.

urllib3 alone takes half as long, which counts where files are small.
"""

from __future__ import annotations

import re
from http.cookiejar import Cookie

import requests
import requests.adapters
import requests.cookies
import urllib3

from mixnet_tools.network.environment import Route

URL = re.compile(r"https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]+)?(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""Addresses that nobody has to quote, to resolve or to take apart."""


class Response:
    """What :class:`~mixnet_tools.network.client.Answer` needs of a response, of one that requests has not seen."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, url: str) -> None:
        self.raw, self.url = raw, url
        self.status_code, self.reason, self.headers = raw.status, raw.reason, raw.headers
        self.cookies: tuple[Cookie, ...] = ()

    def close(self) -> None:
        """Let go of the connection."""
        self.raw.close()
        self.raw.release_conn()


def handed_over(
    session: requests.Session, raw: urllib3.BaseHTTPResponse, url: str, headers: dict[str, str], route: Route
) -> tuple[requests.Response, Route, requests.PreparedRequest | None]:
    """The same answer as requests would have it, with its cookies, and the request that it redirects to."""
    request = requests.PreparedRequest()
    request.prepare("GET", url, headers, cookies=session.cookies)
    adapter = session.get_adapter(url)
    assert isinstance(adapter, requests.adapters.HTTPAdapter)
    response = adapter.build_response(request, raw)
    requests.cookies.extract_cookies_to_jar(session.cookies, request, raw)  # type: ignore[no-untyped-call]
    following = session.resolve_redirects(response, request, stream=True, proxies=route.proxies, yield_requests=True)
    return response, route, next(following, None)
