"""Which requests the page answers: by the name of the host, and by where they come from."""

from __future__ import annotations

import socket

import pytest

from mixnet_tools.web.guard import HEADERS, LOOPBACK, Hosts, hosts_for, is_loopback, refusal

HERE = Hosts(LOOPBACK)


def asked(method: str = "POST", **headers: str) -> str | None:
    found = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return refusal(method, found, HERE)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8000"])
def test_this_machine_is_known_by_its_names_at_any_port(host: str) -> None:
    assert HERE.allow(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "localhost:80:80",
     "localhost@evil.example", "127.0.0.1/", "192.168.1.5",
     "0.0.0.0", "[::1", "::1", "localhost.", "evil.example:8000", "[::ffff:127.0.0.1]",
     "2130706433", "localhost\x00", "127.1"],
)  # fmt: skip
def test_another_name_or_address_is_not(host: str) -> None:
    assert not HERE.allow(host)


def test_where_others_are_let_in_addresses_and_the_names_of_this_machine_are_known() -> None:
    for listening in ("0.0.0.0", "::", "192.168.1.5", "Some-Name.example"):
        hosts = hosts_for(listening)
        for host in (listening.lower(), "192.168.1.5:8000", "[fe80::1]:8000", socket.gethostname(), "localhost"):
            assert hosts.allow(f"[{host}]" if host == "::" else host), (listening, host)
        assert not hosts.allow("evil.example")


def test_which_addresses_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.5", "evil.example", "localhost.evil.example", "")))
    assert hosts_for("127.9.9.9").allow("127.9.9.9:80")
    assert not hosts_for("127.9.9.9").allow("10.0.0.1")


def test_a_request_has_one_host() -> None:
    assert asked("GET") is not None
    twice = [(b"host", b"localhost"), (b"host", b"evil.example")]
    assert refusal("GET", twice, HERE) is not None


def test_the_page_itself_and_programs_may_send_pictures() -> None:
    assert asked(host="localhost:8000") is None  # curl says nothing of where it comes from
    assert asked(host="localhost:8000", origin="http://localhost:8000") is None
    assert asked(host="localhost:8000", origin="http://localhost:8000", sec_fetch_site="same-origin") is None
    assert asked(host="[::1]:8000", origin="http://[::1]:8000", sec_fetch_site="same-origin") is None


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://localhost", "http://localhost:8001", "http://127.0.0.1:8000",
     "file://", "http://localhost:8000@evil.example", "ftp://localhost:8000", "http://localhost:8000.evil.example"],
)  # fmt: skip
def test_pages_of_other_sites_may_not(origin: str) -> None:
    assert asked(host="localhost:8000", origin=origin) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_what_the_browser_says_of_the_sender_counts(site: str) -> None:
    assert asked(host="localhost:8000", sec_fetch_site=site) is not None


def test_a_link_from_elsewhere_opens_the_page() -> None:
    assert asked("GET", host="localhost:8000", sec_fetch_site="cross-site") is None


def test_a_browser_is_told_to_load_nothing_from_elsewhere() -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in HEADERS["content-security-policy"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert not {"unsafe-inline", "unsafe-eval", "http:", "https:", "*"} & set(str(rules).replace("'", " ").split())
