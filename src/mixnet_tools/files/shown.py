"""Text as people and other programs may see it: no secrets of URLs, no characters that steer a terminal.

:func:`shown` is the only way from a message, a name or a report to a terminal or a file for people. Text of others
reaches them too: names of files, keys of YAML, the reason phrase of a server, the message of an exception.
"""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from urllib.parse import urlsplit, urlunsplit

_WEB = ("http", "https")
_HARMLESS_PARAMETERS = frozenset({"id", "export", "download", "alt", "raw", "version", "v"})
_PARAMETER = re.compile(r"([^&;=]*)=([^&;]*)")
# A scheme has a bounded length, and nothing can match in two ways: the time does not grow with the square of a text.
_URL = re.compile(r"([a-z][a-z0-9+.-]{0,30}):(/+)([^\s'\"<>]+)", re.IGNORECASE)
_CHAIN = re.compile(r"::(?=[a-z][a-z0-9+.-]{0,30}://)", re.IGNORECASE)
"""Between the URLs of a chain, as fsspec has it: ``tar://a.jpg::https://host/x.tar``."""
_AFTER_A_URL = ":;,.)]"
"""What ends a sentence or an aside, not the URL in front of it."""

_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters (ANSI escapes begin with one), of format characters (such as those that
turn the direction of writing), of surrogates, and of separators of lines and paragraphs."""


def shown(text: str, *, lines: bool = True) -> str:
    r"""``text`` without secrets of URLs, and with steering characters written as Python's escapes.

    Line ends and tabs stay, or with ``lines=False`` are escaped as well.

    >>> shown("GET https://me:secret@host/a?sig=abc \x1b[2J")
    'GET https://***@host/a?sig=*** \\x1b[2J'
    """
    safe = _escaped(redact_within(text))
    return safe if lines else safe.replace("\n", "\\n").replace("\t", "\\t")


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        one.encode("unicode_escape").decode() if one not in "\n\t" and unicodedata.category(one) in _STEERING else one
        for one in text
    )


class Published(str):
    """A text that its author published, such as a model's description. Its links may keep their ``#anchors``."""


def redact(url: str, *, anchor: bool = False) -> str:
    """``url`` as a message may show it: without user name, password, fragment and the values of query parameters.

    A signed URL carries its credentials in the query, and which parameter that is differs from service to service;
    so only parameters that are known to be harmless keep their values. What was removed leaves ``***``. With
    ``anchor``, the fragment stays.

    >>> redact("https://me:secret@host.example:8443/a/b.bin?id=3&sig=abc#x")
    'https://***@host.example:8443/a/b.bin?id=3&sig=***'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a malformed URL)"
    try:
        _ = parts.port
    except ValueError:  # no port, so perhaps a password with a slash or # in it
        if "@" in f"{parts.path}{parts.query}{parts.fragment}":
            return redact(f"{parts.scheme}://***@{url.partition('://')[2].rpartition('@')[2]}", anchor=anchor)
    userinfo, at, host = parts.netloc.rpartition("@")
    netloc = f"***@{host}" if at and userinfo else host
    query = _PARAMETER.sub(_redact_parameter, parts.query) if "=" in parts.query else "***" if parts.query else ""
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment if anchor else ""))


def _redact_parameter(match: re.Match[str]) -> str:
    name, value = match.groups()
    return match.group() if name in _HARMLESS_PARAMETERS or not value else f"{name}=***"


def redact_within(text: str) -> str:
    """``text`` with every URL in it without its secrets, also where ``Path`` has made one slash of two.

    >>> redact_within("403, url='https://host.example/a?sig=abc'")
    "403, url='https://host.example/a?sig=***'"
    >>> redact_within("http:/me:secret@host/a: no such file; s3://bucket/odd?#1.jpg: neither")
    'http:/***@host/a: no such file; s3://bucket/odd?#1.jpg: neither'
    >>> redact_within("tar://a::https://me:secret@host/x.tar")
    'tar://a::https://***@host/x.tar'
    >>> redact_within(Published("see <https://me:pw@host/?key=1#usage>"))
    'see <https://***@host/?key=***#usage>'
    """
    if ":/" not in text:
        return text
    redacted = partial(_redact_url, anchor=isinstance(text, Published))
    return "::".join(_URL.sub(redacted, part) for part in _CHAIN.split(text))


def _redact_url(match: re.Match[str], anchor: bool) -> str:
    scheme, slashes, rest = match.groups()
    url = rest.rstrip(_AFTER_A_URL)
    after = rest[len(url) :]
    if scheme.lower() not in _WEB:
        return f"{without_password(f'{scheme}:{slashes}{url}')}{after}"
    return redact(f"{scheme}://{url}", anchor=anchor).replace("://", f":{slashes}", 1) + after


def without_secrets(value: object) -> object:
    """``value``, in which each text is taken for a URL as a whole, however malformed: for messages that cut it short.

    >>> without_secrets(["http://me:odd secret@host/a", "http://me:hunter2", 3])
    ['http://***@host/a', 'http://***', 3]
    """
    if isinstance(value, list):
        return [without_secrets(one) for one in value]
    if isinstance(value, dict):
        return {name: without_secrets(one) for name, one in value.items()}
    if not isinstance(value, str) or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    userinfo, at, host = rest.rpartition("@")
    if not at and re.match(r"[^/]*:(?![0-9]*(/|$))", rest):  # no port, so perhaps a password that lost its end
        return f"{scheme}://***"
    return redact(f"{scheme}://***@{host}" if userinfo else value)


def without_password(url: str) -> str:
    """``url`` with ``***`` for its user name and password, where it has both. It may be of any scheme."""
    scheme, colon, rest = url.partition(":")
    path = rest.lstrip("/")
    slashes = rest[: len(rest) - len(path)]
    authority, slash, after = path.partition("/")
    userinfo, at, host = authority.rpartition("@")
    if not (slashes and at and ":" in userinfo):
        return url
    return f"{scheme}{colon}{slashes}***@{host}{slash}{after}"
