"""Checks which entries of an archive may be unpacked. Nothing here touches a disk.

An archive is refused as a whole at its first dangerous entry, and the error names that entry. What is only unusual is
noted, and told when all is unpacked.
"""

from __future__ import annotations

import stat
import unicodedata
from dataclasses import dataclass, field
from enum import Enum

from mixnet_tools.downloading.archives.entry_names import is_portable, is_steering, plain_path, readable
from mixnet_tools.errors import ArchiveError
from mixnet_tools.progress import human_bytes

_MOST_NAMES = 3


@dataclass(frozen=True)
class Limits:
    """The most that an archive may unpack to: ``entries``, bytes of one file, bytes in all, times its own size.

    ``free_bytes`` may always be unpacked, whatever the ``ratio``: small archives of zeros are common and harmless.
    """

    entries: int = 100_000
    file_bytes: int = 32 << 30
    total_bytes: int = 128 << 30
    ratio: int = 200
    free_bytes: int = 64 << 20


class EntryKind(Enum):
    """What an entry becomes when it is unpacked."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    OTHER = "device, FIFO or other special file"


@dataclass(frozen=True)
class Entry:
    """One entry as its archive describes it. ``mode`` has Unix permission bits, ``size`` is in bytes, as declared."""

    name: str
    kind: EntryKind
    mode: int = 0o644
    size: int = 0
    link_to: str = ""


@dataclass
class EntryChecker:
    """Checks the entries of one archive, one after the other. A dangerous one is an :class:`ArchiveError`.

    ``archive`` names the archive in messages; ``packed_bytes`` is its size. ``ignores_case`` says that the folder takes
    names that differ in upper and lower case, or in their Unicode form, for the same.
    """

    archive: str
    packed_bytes: int
    limits: Limits = field(default_factory=Limits)
    ignores_case: bool = False
    _notes: dict[str, list[str]] = field(default_factory=dict, init=False)
    _spellings: dict[str, str] = field(default_factory=dict, init=False)
    _count: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    def check(self, entry: Entry) -> str:
        """Check ``entry``. Returns its path in plain form, relative to the folder; "" for the folder itself."""
        self._count += 1
        if self._count > self.limits.entries:
            raise self.refusal(entry.name, f"more than {self.limits.entries} entries")
        if entry.kind is EntryKind.OTHER:
            raise self.refusal(entry.name, f"is a {entry.kind.value}")
        setgid = entry.mode & stat.S_ISGID and entry.kind is not EntryKind.FOLDER  # on folders it only sets a group
        if entry.mode & stat.S_ISUID or setgid:
            raise self.refusal(entry.name, f"has a setuid or setgid bit (mode {entry.mode & 0o7777:o})")
        if entry.size > self.limits.file_bytes:
            raise self.refusal(entry.name, f"is larger than {human_bytes(self.limits.file_bytes)}")
        path = self._plain_path(entry.name, entry.name)
        if entry.kind is EntryKind.SYMLINK:
            self._check_symlink(entry, path)
        if not path and entry.kind is not EntryKind.FOLDER:
            raise self.refusal(entry.name, "has no name")
        self._check_spelling(entry.name, path)
        if not is_portable(path):
            self.note("names that Windows cannot have", path)
        return path

    def hardlink_target(self, entry: Entry) -> str:
        """The path of the earlier entry that the hard link ``entry`` points to."""
        return self._plain_path(entry.link_to, entry.name)

    def readable(self, name: str) -> str:
        """``name`` as text, whatever bytes it has."""
        text = readable(name)
        if text != name:
            self.note("names that are not UTF-8, read as Windows-1252", text)
        return text

    def note(self, what: str, name: str = "") -> None:
        """Remember something unusual: of the archive, or of the entry ``name``."""
        names = self._notes.setdefault(what, [])
        if name:
            names.append(name)

    def remarks(self) -> tuple[str, ...]:
        """A line for each kind of what was noted."""
        lines = []
        for what, names in self._notes.items():
            shown = ", ".join(repr(name) for name in names[:_MOST_NAMES])
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            lines.append(f"{self.archive}: {what}{': ' if names else ''}{shown}{more}")
        return tuple(lines)

    def count_bytes(self, name: str, count: int, of_file: int) -> None:
        """Count ``count`` more unpacked bytes, and check that the entry ``name`` may have ``of_file`` bytes so far."""
        self._bytes += count
        if of_file > self.limits.file_bytes:
            raise self.refusal(name, f"is larger than {human_bytes(self.limits.file_bytes)}")
        if self._bytes > self.limits.total_bytes:
            raise self.refusal(name, f"with it, more than {human_bytes(self.limits.total_bytes)} are unpacked")
        if self._bytes > self.limits.free_bytes + self.limits.ratio * self.packed_bytes:
            raise self.refusal(
                name, f"with it, more than {self.limits.ratio} times the archive's own size is unpacked (a bomb?)"
            )

    def refusal(self, name: str, why: str) -> ArchiveError:
        """The error for the entry ``name``, which is dangerous."""
        return ArchiveError(
            f"{self.archive}: entry {name!r}: {why}",
            hint="nothing of the archive was unpacked; its digest is right, so only its publisher can mend it",
        )

    def _plain_path(self, text: str, name: str) -> str:
        try:
            return plain_path(text)
        except ValueError as error:
            what = "" if text == name else f"links to {text!r}: "
            raise self.refusal(name, f"{what}{error}") from None

    def _check_symlink(self, entry: Entry, path: str) -> None:
        # Only ".." at the front is followed: later ones could climb out through another link.
        steps = entry.link_to.split("/")
        ups = next((index for index, step in enumerate(steps) if step != ".."), len(steps))
        inside = not entry.link_to.startswith("/") and ".." not in steps[ups:] and ups <= path.count("/")
        if not inside or not entry.link_to or len(entry.link_to) > 4096 or is_steering(entry.link_to):
            raise self.refusal(entry.name, f"is a link that leaves the folder (to {entry.link_to!r})")

    def _check_spelling(self, name: str, path: str) -> None:
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            prefix = "/".join(parts[:end])
            folded = unicodedata.normalize("NFC", prefix).casefold()
            other = self._spellings.setdefault(folded, prefix)
            if other == prefix:
                continue
            if self.ignores_case:
                raise self.refusal(name, f"is the same name as {other!r} on this file system, which ignores case")
            self.note("names that systems which ignore case cannot tell apart", prefix)
