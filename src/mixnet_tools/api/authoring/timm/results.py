"""Fetches timm's published figures on ImageNet: the newest revision of its results-imagenet.csv."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

from mixnet_tools.api.authoring.timm.catalog import Evaluation, TimmModel
from mixnet_tools.api.authoring.timm.endpoint import endpoint
from mixnet_tools.downloading.transport.unknown_file import fetch_small
from mixnet_tools.errors import DownloadError
from mixnet_tools.files.location import Location

API = "https://api.github.com"
ENVIRONMENT_VARIABLE = "GITHUB_API_URL"
"""Names another server with GitHub's REST interface. It is the variable of GitHub Actions."""

_REPOSITORY = "huggingface/pytorch-image-models"
_FILE = "results/results-imagenet.csv"
_RAW = "application/vnd.github.raw+json"
_MOST = 4 << 20
_ROUNDED = 5e-4


@dataclass(frozen=True)
class Published:
    """What timm measured on ImageNet's validation set: fractions, and where and when they were published."""

    top1: float
    top5: float
    source: str


@dataclass(frozen=True)
class Results:
    """The rows of one revision of the file, which was published on ``date``."""

    rows: tuple[dict[str, str], ...]
    revision: str
    date: str

    def of(self, model: TimmModel, evaluation: Evaluation) -> Published | None:
        """The figures of ``model`` at this size, share and interpolation; None where there are none."""
        for row in self.rows:
            if row["model"] != model.name or row["interpolation"] != model.interpolation:
                continue
            if (
                int(row["img_size"]) == evaluation.side
                and abs(float(row["crop_pct"]) - evaluation.crop_pct) <= _ROUNDED
            ):
                return Published(
                    round(float(row["top1"]) / 100, 6),
                    round(float(row["top5"]) / 100, 6),
                    f"timm's {_FILE.rpartition('/')[2]} of {self.date}, revision {self.revision[:12]}",
                )
        return None


def fetch_results() -> Results:
    """The file as it is now, by the revision that changed it last. Raises :class:`DownloadError`."""
    base = endpoint(ENVIRONMENT_VARIABLE, API)
    changes = Location.parse(f"{base}/repos/{_REPOSITORY}/commits?path={_FILE}&per_page=1")
    try:
        newest = json.loads(fetch_small(changes, most=_MOST))[0]
        revision, date = str(newest["sha"]), str(newest["commit"]["committer"]["date"])[:10]
        file = Location.parse(f"{base}/repos/{_REPOSITORY}/contents/{_FILE}?ref={revision}")
        rows = tuple(csv.DictReader(io.StringIO(fetch_small(file, most=_MOST, accept=_RAW).decode())))
        if not rows:
            raise ValueError("no rows")
        for row in rows:
            _ = row["model"], row["interpolation"], int(row["img_size"])
            _ = [float(row[key]) for key in ("top1", "top5", "crop_pct")]
    except (ValueError, KeyError, IndexError, TypeError, csv.Error) as error:
        raise DownloadError(f"{changes}: is not what GitHub's interface gives, or another file: {error}") from error
    return Results(rows, revision, date)
