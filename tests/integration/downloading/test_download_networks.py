"""Other people's networks: whose fault it is, in certificates and proxies, and the next source is asked."""

from __future__ import annotations

import datetime
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.support.downloads import add_model, delivered, download, download_failing, download_ok, file_entry, noise
from tests.support.http_server import FaultyServer
from tests.support.proxies import ConnectProxy, SocksProxy

BODY = noise(50_000)
EXPECTED = {"public/net/net.bin": BODY}
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the certificates of these servers."""
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the authority's own certificate."""
    path = tmp_path_factory.mktemp("roots") / "roots.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def tls_server(certificate: trustme.LeafCert) -> FaultyServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return FaultyServer(context)


@pytest.fixture(scope="module")
def running_secure(authority: trustme.CA) -> Iterator[FaultyServer]:
    with tls_server(authority.issue_cert("127.0.0.1", "localhost")) as started:
        started.put("/net.bin", BODY)
        yield started


@pytest.fixture
def secure(running_secure: FaultyServer, server: FaultyServer) -> FaultyServer:
    """A server with a good certificate, in an environment without settings."""
    return running_secure


def zoo_of(tmp_path: Path, url: str, second: str | None = None) -> Path:
    add_model(tmp_path / "zoo", "net", [file_entry("net.bin", BODY, url, second)])
    return tmp_path / "zoo"


def failing(tmp_path: Path, url: str, *arguments: str) -> str:
    """The message of a download that must fail at its only source, with one attempt if nothing else is said."""
    return download_failing(zoo_of(tmp_path, url), tmp_path / "out", *(arguments or ("--num_attempts", "1")))


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_variable_names_the_roots(
    secure: FaultyServer, tmp_path: Path, bundle: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = zoo_of(tmp_path, f"{secure.url}/net.bin")
    message = download_failing(zoo, tmp_path / "out")
    assert "the certificate of 127.0.0.1 is not trusted: " in message
    assert "by the system's root certificates (SSL_CERT_FILE or REQUESTS_CA_BUNDLE names other roots)" in message
    assert "attempts)" not in message
    monkeypatch.setenv(variable, str(bundle))
    download_ok(zoo, tmp_path / "out")
    assert delivered(tmp_path / "out") == EXPECTED


def test_a_folder_of_roots_needs_names_that_openssl_knows(
    secure: FaultyServer, tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "roots"
    folder.mkdir()
    (folder / "roots.pem").write_bytes(bundle.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert f"SSL_CERT_DIR names {folder}, a folder without certificates named by their hash" in failing(
        tmp_path, f"{secure.url}/net.bin"
    )


BUNDLES = {
    "missing": (None, "which does not exist"),
    "empty": (b"", "in which there is no certificate in PEM form"),
    "no certificate": (b"<html>", "in which there is no certificate"),
}


@pytest.mark.parametrize(("content", "problem"), BUNDLES.values(), ids=BUNDLES.keys())
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_that_cannot_be_used_is_named_and_the_next_source_asked(
    secure: FaultyServer,
    server: FaultyServer,
    tmp_path: Path,
    variable: str,
    content: bytes | None,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(variable, str(path))
    message = failing(tmp_path, f"{secure.url}/net.bin")
    assert f"{variable} names {path}, {problem}" in message
    assert "cannot be written" not in message
    outcome = download_ok(zoo_of(tmp_path, f"{secure.url}/net.bin", server.put("/net.bin", BODY)), tmp_path / "out")
    assert f"net.bin from {server.url}/net.bin" in outcome.out


def test_a_certificate_is_refused_for_its_true_reason(
    server: FaultyServer, authority: trustme.CA, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with tls_server(authority.issue_cert("127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO)) as expired:
        assert "the certificate of 127.0.0.1 has expired" in failing(tmp_path, f"{expired.url}/net.bin")
    with tls_server(authority.issue_cert("other.example")) as other:
        assert "the certificate of 127.0.0.1 is for another name" in failing(tmp_path, f"{other.url}/net.bin")
    with tls_server(trustme.CA().issue_cert("127.0.0.1")) as stranger:
        message = failing(tmp_path, f"{stranger.url}/net.bin")
        assert "is not trusted: unable to get local issuer certificate" in message
        assert f"by SSL_CERT_FILE ({bundle})" in message


def test_the_wrong_scheme_is_seen(secure: FaultyServer, server: FaultyServer, tmp_path: Path) -> None:
    message = failing(tmp_path, server.put("/net.bin", BODY).replace("http:", "https:"), "--max_wait", "60")
    assert "does not speak TLS (is it HTTP, not HTTPS?)" in message
    message = failing(tmp_path, f"{secure.url}/net.bin".replace("https:", "http:"))
    assert "127.0.0.1 hung up without an answer" in message or "is not HTTP" in message or "reset it" in message


def test_a_tunnel_through_a_proxy_with_a_password(
    secure: FaultyServer, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    zoo = zoo_of(tmp_path, f"{secure.url}/net.bin")
    with ConnectProxy(credentials=("me", "hunter/2")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"me:hunter%2F2@{proxy.host}")  # without a scheme, as many write it
        download_ok(zoo, tmp_path / "out", "--debug")
        assert delivered(tmp_path / "out") == EXPECTED
        assert proxy.asked == [f"CONNECT {secure.url.removeprefix('https://')}"]

        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter3@{proxy.host}")
        message = download_failing(zoo, tmp_path / "refused", "--max_wait", "60", "--debug")
        assert f"the proxy {proxy.host} (HTTPS_PROXY) answers 407 Proxy Authentication Required: it does not" in message
        assert "hunter" not in message
        assert len(proxy.asked) == 2


@pytest.mark.parametrize(
    ("written", "credentials"), [("tok%20en@", ("tok en", "")), ("me:p%C3%A9\u20ac@", ("me", "p\u00e9\u20ac"))]
)
def test_a_proxys_password_may_have_any_letters_or_be_missing(
    server: FaultyServer,
    tmp_path: Path,
    written: str,
    credentials: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zoo = zoo_of(tmp_path, "http://host.invalid/net.bin")
    with ConnectProxy(answer=418, credentials=credentials) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{written}{proxy.host}")
        message = download_failing(zoo, tmp_path / "out", "--num_attempts", "1")
    # 418, not 407: they were right. And nobody knows whether it was the proxy that answered, or the server.
    assert f"HTTP 418 Whatever (through the proxy {proxy.host} (HTTP_PROXY))" in message


PROXIES = {
    403: "answers 403 Forbidden: it does not allow this server",
    502: "answers 502 Bad Gateway",
    None: "hung up without an answer",
}


@pytest.mark.parametrize(("answer", "words"), PROXIES.items(), ids=["403", "502", "hangs up"])
def test_what_a_proxy_answers_is_told_by_number_and_the_next_source_asked(
    secure: FaultyServer,
    server: FaultyServer,
    tmp_path: Path,
    answer: int | None,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ConnectProxy(answer) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:hunter2@{proxy.host}")
        message = failing(tmp_path, f"{secure.url}/net.bin")
        assert f"the proxy {proxy.host} (https_proxy) {words}" in message
        assert "hunter2" not in message
        zoo = zoo_of(tmp_path, f"{secure.url}/net.bin", server.put("/net.bin", BODY))
        assert f"net.bin from {server.url}/net.bin" in download_ok(zoo, tmp_path / "out").out


MALFORMED = {
    "http://user:hunter2@127.0.0.1:port": "HTTP_PROXY does not name a usable proxy: expected http://HOST:PORT",
    "http://127.0.0.1:99999": "HTTP_PROXY does not name a usable proxy",
    "http://user:hun#ter2@127.0.0.1:3128": "(signs in a password are written as %40 and so on)",
    "http://": "HTTP_PROXY does not name a usable proxy",
    f"http://me:hunter2@{'a' * 64}.invalid:3128": "HTTP_PROXY does not name a usable proxy",
    "socks://user:hunter2@127.0.0.1:1080": "HTTP_PROXY names a proxy of the kind 'socks': expected http, https, socks5",
    "https://{server}": "(HTTP_PROXY) does not speak TLS (its scheme is http, not https)",
    "http://no-such-host.invalid:3128": "the name of the proxy no-such-host.invalid:3128 (HTTP_PROXY) cannot be",
}


@pytest.mark.parametrize(("value", "words"), MALFORMED.items())
def test_a_malformed_proxy_is_named_by_its_variable(
    server: FaultyServer, tmp_path: Path, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", value.format(server=server.url.removeprefix("http://")))
    message = failing(tmp_path, server.put("/net.bin", BODY), "--max_wait", "60", "--debug")
    assert words in message
    assert "hunter2" not in message
    assert server.paths() == []
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    download_ok(tmp_path / "zoo", tmp_path / "out")


def test_a_socks_proxy_is_used_and_explained(
    secure: FaultyServer, server: FaultyServer, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    url = f"{secure.url}/net.bin".replace("127.0.0.1", "localhost")
    with SocksProxy(credentials=("me", "hunter2")) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://me:hunter2@{proxy.host}")
        download_ok(zoo_of(tmp_path, url), tmp_path / "out")
        assert delivered(tmp_path / "out") == EXPECTED
        assert proxy.asked[0].startswith("localhost:")
        monkeypatch.setenv("ALL_PROXY", f"socks5h://me:hunter3@{proxy.host}")
        message = failing(tmp_path / "b", url)
        assert f"the proxy {proxy.host} (ALL_PROXY) does not accept the user name and password" in message
        assert "hunter" not in message
    dead = proxy.host
    assert f"the proxy {dead} (ALL_PROXY) refuses the connection" in failing(tmp_path / "c", url)
    for reply, words in ((2, "does not allow the connection to localhost"), (5, "cannot reach localhost")):
        with SocksProxy(reply) as proxy:
            monkeypatch.setenv("ALL_PROXY", f"socks5h://{proxy.host}")
            assert f"the proxy {proxy.host} (ALL_PROXY) {words}" in failing(tmp_path / "d", url)
    with SocksProxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://{proxy.host}")  # without h, this machine resolves names
        message = failing(tmp_path / "f", "http://no-such-host.invalid/net.bin")
        assert "the name no-such-host.invalid cannot be resolved by this machine" in message
    with ConnectProxy(answer=None) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://{proxy.host}")
        assert f"the proxy {proxy.host} (ALL_PROXY) hung up" in failing(tmp_path / "e", url)


def test_socks_without_its_package_says_what_to_install(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://user:hunter2@127.0.0.1:1080")
    message = failing(tmp_path, server.put("/net.bin", BODY), "--max_wait", "60")
    assert (
        "ALL_PROXY names a SOCKS proxy, which needs the package PySocks (pip install 'mixnet-tools[socks]')" in message
    )


def test_a_diagnosis_shows_each_step_of_each_source_and_no_secret(
    secure: FaultyServer, server: FaultyServer, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("/wrong.bin", BODY[:-1])
    zoo = zoo_of(tmp_path, f"{secure.url}/net.bin?token=s3cret", f"{server.url}/wrong.bin")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with ConnectProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@{proxy.host}")
        outcome = download_ok(zoo, tmp_path / "out", "--diagnose")
    first, second = outcome.out.split("  http", 2)[1:]
    for words in (
        f"proxy:     the proxy {proxy.host} (HTTPS_PROXY)",
        "127.0.0.1 is 127.0.0.1",
        f"trusted:   SSL_CERT_FILE ({bundle})",
        "TLS:       TLSv1",
        "answer:    HTTP 206 Partial Content",
        "ranges:    yes",
        "size:      50000 bytes, as in the descriptor",
        "result:    usable",
    ):
        assert words in first
    assert "size:      49999 bytes, but the descriptor has 50000" in second
    assert "result:    not usable" in second
    assert "hunter2" not in outcome.out
    assert "s3cret" not in outcome.out
    assert not (tmp_path / "out").exists()

    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("NO_PROXY", "*")
    failed = download(zoo, tmp_path / "out", "--diagnose")
    assert failed.code == 1
    assert "proxy:     none: NO_PROXY leaves this server out" in failed.out
    assert "failure:   the certificate of 127.0.0.1 is not trusted" in failed.out
    assert "no source seems to have\n  net/net.bin" in failed.err
