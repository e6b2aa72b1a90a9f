"""What of PyTorch's side needs no PyTorch: code from memory, what is in a pickle, files in memory, consent."""

from __future__ import annotations

import collections
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mixnet_tools
from mixnet_tools.conversion.source_check import SourceCheck
from mixnet_tools.conversion.sources.model_code import ForeignCode, is_module_of, python_files, require_consent
from mixnet_tools.errors import IntegrityError, UnsafeModelError
from mixnet_tools.reference.child import libraries
from mixnet_tools.reference.export_place import LONGEST_DESCRIPTION, NAMES, ExportPlace
from mixnet_tools.reference.pytorch.framework import packed, unpacked
from mixnet_tools.reference.pytorch.pickles import globals_in

_IMPORT = """
import importlib, json, sys
from mixnet_tools.reference.pytorch.code import import_from

files, folders, names = json.loads(sys.argv[1])
import_from({path: text.encode() for path, text in files.items()}, folders)
found = {}
for name in names:
    try:
        module = importlib.import_module(name)
        found[name] = getattr(module, "VALUE", None)
    except ImportError as error:
        found[name] = f"none: {error.name}"
print(json.dumps(found))
"""


def imported(files: dict[str, str], folders: list[str], *names: str) -> dict[str, Any]:
    """What modules say that are imported from ``files``, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, json.dumps([files, folders, names])],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_folders_of_scripts_are_no_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, packages, mine = (tmp_path / name for name in ("home", "packages", "mine"))
    for folder in (home / "Documents", packages / "other-1.0.dist-info", mine / "net"):
        folder.mkdir(parents=True)
    (mine / "net/__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", ["", *map(str, (home, packages, mine, tmp_path / "gone")), *sys.path])
    found = libraries()
    assert packages in found
    assert Path(mixnet_tools.__file__).parent in found
    assert not {home, mine, tmp_path} & set(found)
    monkeypatch.setitem(sys.modules, "net", SimpleNamespace(__path__=[str(mine / "net")]))
    assert mine / "net" in libraries()
    assert mine not in libraries()
    assert mine in libraries("net")
    assert home not in libraries("Documents")


def test_modules_are_found_as_python_finds_them_and_on_no_disk(tmp_path: Path) -> None:
    (tmp_path / "on_disk.py").write_text("VALUE = 'read from the disk'")
    first, second = f"{tmp_path}", "/nowhere/second"
    files = {
        f"{first}/net.py": "from package.inner import VALUE",
        f"{first}/package/__init__.py": "",
        f"{first}/package/inner.py": "from .deeper.last import VALUE",
        f"{first}/package/deeper/last.py": "VALUE = 'four folders down'",
        f"{first}/both/one.py": "VALUE = 1",
        f"{second}/both/two.py": "VALUE = 2",
        f"{second}/net.py": "VALUE = 'the second folder'",
        f"{second}/json/__init__.py": "VALUE = 'shadows what is installed'",
    }
    assert imported(files, [first, second], "net", "both.one", "both.two", "on_disk", "both.three", "package") == {
        "net": "four folders down",
        "both.one": 1,
        "both.two": 2,
        "on_disk": "none: on_disk",
        "both.three": "none: both.three",
        "package": None,
    }


def test_files_travel_byte_by_byte() -> None:
    files = {"/a.py": bytes(range(256)), "/b.py": "# größer".encode()}
    assert unpacked(packed(files)) == files
    assert packed({}) == b""


class Payload:
    """An object whose pickle calls a function."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_a_pickle_would_call_is_told_without_running_it(protocol: int, tmp_path: Path) -> None:
    contents = {"a": collections.Counter("a"), "b": [Payload(), Payload()], "c": collections.OrderedDict(x=1)}
    data = pickle.dumps(contents, protocol=protocol)
    (tmp_path / "old.pth").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "new.pth", "w") as archive:
        archive.writestr("net/data.pkl", data)
    expected = ("collections.Counter", f"{os.system.__module__}.system")
    assert globals_in(tmp_path / "old.pth") == globals_in(tmp_path / "new.pth") == expected


@pytest.mark.parametrize("data", [b"", b"\x80\x02", b"PK\x03\x04", b"\x80\x02c", b"\xff" * 50, b"\x80\x04\x8c\xff"])
def test_a_pickle_that_cannot_be_followed_tells_nothing(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(data)
    assert globals_in(tmp_path / "net.pth") == ()


def test_another_process_writes_to_memory_by_name() -> None:
    place = ExportPlace()
    program = "import sys; open(sys.argv[1], 'w').write('<net/>'); open(sys.argv[2], 'wb').write(bytes(9))"
    paths = [str(place.folder / name) for name in NAMES]
    subprocess.run([sys.executable, "-c", program, *paths], pass_fds=place.inherited, check=True)
    assert place.read() == (b"<net/>", bytes(9))
    os.truncate(place.files[0], LONGEST_DESCRIPTION + 1)
    with pytest.raises(ValueError, match="a description of more than"):
        place.read()
    folder = place.folder
    place.close()
    place.close()
    assert not folder.exists()


def test_python_files_are_found_and_hidden_ones_and_links_are_not(tmp_path: Path) -> None:
    for name in ("net.py", "b/c.py", "b/d.txt", ".state/old.py", "b/__pycache__/c.cpython-311.py", "a.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link.py").symlink_to("/etc/hostname")
    files = python_files([tmp_path, tmp_path])
    assert [path.relative_to(tmp_path).as_posix() for path in files] == ["net.py", "b/c.py"]
    assert is_module_of("b.c", files, [tmp_path])
    assert is_module_of("net", files, [tmp_path])
    assert not is_module_of("torchvision.models", files, [tmp_path])


def test_code_needs_consent_which_shows_its_digests(tmp_path: Path) -> None:
    for name in ("net.py", *(f"package/part{number}.py" for number in range(20)), "few/a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    files = python_files([tmp_path])
    check = SourceCheck(files, None, tmp_path, "again")
    found = check.result()
    check.close()
    code = ForeignCode({path: path.read_bytes() for path in files})
    with pytest.raises(UnsafeModelError) as caught:
        require_consent("net", code, found, ("other",))
    text = str(caught.value)
    assert "None of it has run" in text
    assert f"net.py  {found.files[0].digest}  (no digests are known)" in text
    assert "few/a.py  sha256:" in text
    assert "package/: 20 files  sha256:" in text
    assert "`trust_code=net`" in (caught.value.hint or "")
    assert text.splitlines()[1].strip() in require_consent("net", code, found, ("other", "net"))
    with pytest.raises(UnsafeModelError, match="the installed package os"):
        require_consent("net", ForeignCode(package="os"), found, ())
    with pytest.raises(IntegrityError, match=r"net\.py: changed while it was converted"):
        require_consent("net", ForeignCode({**code.files, tmp_path / "net.py": b"other"}), found, ("net",))
