"""The errors of a failed download."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mixnet_tools.descriptors.file_entries import ModelFile
from mixnet_tools.downloading.messages import FailedSource, cannot_write, gave_up
from mixnet_tools.downloading.sources import WebSource
from mixnet_tools.errors import DownloadError, HttpStatusError, IntegrityError, OfflineError
from mixnet_tools.network.failure import Kind, SourceFailure
from tests.support.downloads import file_entry


@pytest.fixture
def file() -> ModelFile:
    return ModelFile.model_validate(file_entry("n.bin", b"x", "https://host.example/n.bin"))


def failed(place: str, failure: SourceFailure, group: str | None = None) -> FailedSource:
    return FailedSource(WebSource(f"https://{place}/n.bin", group or place), 1, failure)


def test_an_error_has_the_type_of_what_went_wrong(file: ModelFile) -> None:
    gone = SourceFailure("HTTP 404", Kind.PERMANENT, status=404)
    unreachable = SourceFailure("no route", Kind.UNREACHABLE)
    wrong = SourceFailure("sent another file", Kind.PERMANENT, integrity=True)
    cut = SourceFailure("was cut off", Kind.TRANSIENT)

    def kind(*failures: SourceFailure) -> DownloadError:
        return gave_up(file, Path("n.bin"), [failed(str(n), one) for n, one in enumerate(failures)])

    assert type(kind(gone, gone)) is HttpStatusError
    assert type(kind(unreachable, unreachable)) is OfflineError
    assert type(kind(gone, wrong)) is IntegrityError
    assert type(kind(unreachable, cut)) is DownloadError
    assert all(error.hint for error in (kind(gone), kind(unreachable), kind(wrong), kind(cut)))


def test_a_mirror_is_one_line_however_many_layouts_were_tried(file: ModelFile) -> None:
    gone = SourceFailure("HTTP 404", Kind.PERMANENT, status=404)
    wrong = SourceFailure("HTTP 500", Kind.TRANSIENT, status=500)
    failures = [failed("m.example/a", gone, "m"), failed("m.example/b", wrong, "m"), failed("other", gone)]
    text = str(gave_up(file, Path("n.bin"), failures))
    assert text.count("m.example") == 1
    assert "m.example/b/n.bin: HTTP 500" in text


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EIO, errno.EMFILE]
)
def test_what_the_disk_says_is_passed_on_with_a_way_out(code: int) -> None:
    error = cannot_write(Path("out/net.bin"), OSError(code, "the reason", "out/net.bin"))
    assert "out/net.bin" in str(error)
    assert error.hint


def test_a_wrong_file_comes_with_a_command_that_shows_no_password(file: ModelFile) -> None:
    wrong = SourceFailure("sent another file", Kind.PERMANENT, integrity=True)
    source = WebSource("https://me:hunter2@host.example/dir/n.bin?sig=s3cret", "g")
    text = str(gave_up(file, Path("n.bin"), [FailedSource(source, 1, wrong)]))
    assert "curl -L -o n.bin 'https://***@host.example/dir/n.bin?sig=***' && sha384sum n.bin" in text
    assert "hunter2" not in text
    assert "s3cret" not in text
