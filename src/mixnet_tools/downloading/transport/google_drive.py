"""Opens a file on Google Drive by its id, and answers the page that asks for a confirmation.

For a large file, Drive first sends an HTML page ("cannot be scanned for viruses") with a form. What the form would send
is sent here. The older way, a token in a cookie, is understood as well.
"""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

from mixnet_tools.downloading.transport.http import HttpBody, HttpClient
from mixnet_tools.downloading.transport.partial_file import Origin
from mixnet_tools.network.failure import Kind, SourceFailure

BASE_URL = "https://docs.google.com/uc"

_MAX_PAGE = 1 << 20


def open_drive(
    client: HttpClient, file_id: str, size: int, offset: int, origin: Origin | None, recode: bool = False
) -> HttpBody:
    """Open the file with ``file_id``, and confirm if Drive asks. Raises :class:`SourceFailure`."""
    body = client.open(url_of(file_id), size, offset, origin, recode)
    if body.content_type != "text/html":
        return body
    try:
        confirmed = _confirmed_url(body, file_id)
    finally:
        body.close()
    return client.open(confirmed, size, offset, origin, recode)


def url_of(file_id: str, **more: str) -> str:
    """Where Drive answers with the file, or with its page."""
    return f"{BASE_URL}?{urlencode({'export': 'download', 'id': file_id, **more})}"


def _confirmed_url(body: HttpBody, file_id: str) -> str:
    token = next((value for name, value in body.cookies.items() if name.startswith("download_warning")), None)
    if token:
        return url_of(file_id, confirm=token)
    page = bytearray()
    for chunk in body.chunks():
        page += chunk
        if len(page) > _MAX_PAGE:
            break
    text = page.decode("utf-8", "replace")
    form = _DownloadForm()
    form.feed(text)
    if form.action:
        target = urljoin(body.final_url, form.action)
        return f"{target}{'&' if '?' in target else '?'}{urlencode(form.fields)}" if form.fields else target
    if "quota" in text.lower():
        raise SourceFailure("Google Drive's download quota for this file is used up", Kind.PERMANENT)
    raise SourceFailure("Google Drive sent a page instead of the file (is it shared with everyone?)", Kind.PERMANENT)


class _DownloadForm(HTMLParser):
    """Finds the form that starts the download: its address and hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if (
            tag == "form"
            and self.action is None
            and (given.get("id") == "download-form" or "uc" in given.get("action", ""))
        ):
            self.action, self._inside = given.get("action", ""), True
        elif tag == "input" and self._inside and given.get("name"):
            self.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
