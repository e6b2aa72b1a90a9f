"""The root certificates that are trusted: those that a variable of the environment names, else the system's."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.network.failure import Kind, SourceFailure

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name a file or a folder. The first that is set counts, and before those of OpenSSL."""

OPENSSL_FILE, OPENSSL_FOLDERS = "SSL_CERT_FILE", "SSL_CERT_DIR"

_HASHED = re.compile(r"[0-9a-fA-F]{8}\.[0-9]+")
"""How OpenSSL wants the files of a folder to be called."""


@dataclass(frozen=True)
class Trust:
    """What is trusted: ``context`` for connections, and ``roots``, which says where the root certificates are from."""

    context: ssl.SSLContext
    roots: str


def trust_of_environment() -> Trust:
    """The certificates to trust. Raises :class:`SourceFailure` where a variable names none, with its name."""
    for variable in BUNDLES:
        if value := os.environ.get(variable):
            return _named({variable: value})
    own = {name: value for name in (OPENSSL_FILE, OPENSSL_FOLDERS) if (value := os.environ.get(name))}
    if OPENSSL_FILE in own and not any(map(os.path.isdir, own.get(OPENSSL_FOLDERS, "").split(os.pathsep))):
        own.pop(OPENSSL_FOLDERS, None)  # as OpenSSL does: conda, for one, names a folder that need not exist
    return _named(own) if own else _system()


def _system() -> Trust:
    import certifi
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())  # small containers have no roots of their own
    return Trust(context, "the system's root certificates")


def _named(variables: dict[str, str]) -> Trust:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As curl: an intermediate certificate that somebody trusts is enough.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    for variable, value in variables.items():
        _load(context, variable, value)
    return Trust(context, " and ".join(f"{variable} ({value})" for variable, value in variables.items()))


def _load(context: ssl.SSLContext, variable: str, value: str) -> None:
    def refusal(problem: str) -> SourceFailure:
        return SourceFailure(f"{variable} names {value}, {problem}: nothing can be trusted", Kind.PERMANENT)

    folders = [Path(part) for part in value.split(os.pathsep) if os.path.isdir(part)]
    try:
        if folders:
            if not any(_HASHED.fullmatch(path.name) for folder in folders for path in folder.iterdir()):
                raise refusal("a folder without certificates named by their hash (openssl rehash)")
            context.load_verify_locations(capath=value)
        elif os.path.isfile(value):
            context.load_verify_locations(cafile=value)
        else:
            raise refusal("which is not a file" if os.path.exists(value) else "which does not exist")
    except ssl.SSLError:
        raise refusal("in which there is no certificate in PEM form, or a broken one") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise refusal(f"which cannot be read ({reason or type(error).__name__})") from None
