"""Unpacks an archive into a folder, entry by entry, in bounded memory. What it is, its bytes say, not its name.

:mod:`mixnet_tools.downloading.archives.safety` checks each entry before anything of it is written. The folder has to be
empty. After an error the caller throws it away, so nothing half-written is left
(:mod:`mixnet_tools.downloading.postprocessing`).
"""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from mixnet_tools.downloading.archives.recognize import HEAD, is_zip
from mixnet_tools.downloading.archives.safety import EntryChecker, Limits
from mixnet_tools.downloading.archives.streams import BrokenStream
from mixnet_tools.downloading.archives.tar_archive import unpack_tar
from mixnet_tools.downloading.archives.writer import EntryWriter
from mixnet_tools.downloading.archives.zip_archive import unpack_zip
from mixnet_tools.errors import ArchiveError

FORMATS = ("zip", "tar", "gztar", "bztar", "xztar", "zst")
"""The formats of unpack_archive, as Open Model Zoo (and shutil) name them; ``zst`` needs Python 3.14."""

_TARS = {"tar": "", "gztar": "gzip", "bztar": "bzip2", "xztar": "xz", "zst": "zstd"}


def unpack(
    archive: Path,
    archive_format: str,
    folder: Path,
    limits: Limits | None = None,
    heartbeat: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Unpack ``archive`` into the empty ``folder``. ``heartbeat`` is called between chunks, and may raise.

    Returns what is unusual of it, a line each: for one, that it is of another kind than ``archive_format``. Raises
    :class:`ArchiveError` that names the entry (or the archive, if it is broken), and OSError if the folder cannot be
    written to. After either, the folder is unfinished.
    """
    other_spelling = folder.with_name(folder.name.swapcase())
    ignores_case = other_spelling != folder and os.path.lexists(other_spelling)
    checker = EntryChecker(str(archive), archive.stat().st_size, limits or Limits(), ignores_case)
    writer = EntryWriter(folder, checker, heartbeat)
    try:
        with archive.open("rb") as stream:
            head = stream.read(HEAD)
        if is_zip(archive, head):
            if not zipfile.is_zipfile(archive):
                raise BrokenStream("is a zip archive that is cut short: the list of its entries is missing")
            unpack_zip(archive, writer, checker)
            found = "a zip archive" if archive_format != "zip" else ""
        else:
            compressed = unpack_tar(archive, writer, checker)
            is_as_told = compressed == _TARS.get(archive_format)
            found = "" if is_as_told else f"a tar archive{f' in {compressed}' if compressed else ''}"
    except BrokenStream as error:
        raise _broken(archive, str(error)) from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        # zipfile says RuntimeError for an encrypted entry, NotImplementedError for an unknown compression.
        raise _broken(archive, f"cannot be read ({error})") from error
    except (UnicodeError, ValueError) as error:
        raise _broken(archive, f"has a malformed header ({error})") from error
    if found:
        checker.note(f"is {found}, though its descriptor says {archive_format}; unpacked as what it is")
    if not any(folder.iterdir()):
        checker.note("has no entries")
    return checker.remarks()


def _broken(archive: Path, why: str) -> ArchiveError:
    return ArchiveError(
        f"{archive}: cannot be unpacked: it {why}",
        hint="its digest is right, so another download brings the same bytes: ask its publisher, or correct model.yml",
    )
