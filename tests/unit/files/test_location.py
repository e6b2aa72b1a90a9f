"""URLs as they may be shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.downloading.transport import urls
from mixnet_tools.files.location import redact, redact_within

SECRET = st.text(alphabet="abcXYZ019", min_size=6, max_size=12).map(lambda text: "s3" + text)


@given(SECRET, SECRET, SECRET, SECRET)
def test_no_secret_of_a_url_is_shown(user: str, password: str, token: str, fragment: str) -> None:
    url = f"https://{user}:{password}@host.example:8443/dir/net.bin?X-Amz-Signature={token}&id=7#{fragment}"
    for shown in (redact(url), redact_within(f"503, url='{url}'"), urls.curl_line(url, "net.bin", "sha384")):
        for secret in (user, password, token, fragment):
            assert secret not in shown
        assert "host.example:8443/dir/net.bin" in shown
    assert redact("https://host.example/a?justatoken") == "https://host.example/a?***"


@given(st.text(max_size=60))
def test_redacting_never_fails(text: str) -> None:
    assert isinstance(redact(f"http://{text}"), str)
