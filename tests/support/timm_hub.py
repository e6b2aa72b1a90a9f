"""A server on loopback that plays the Hugging Face Hub and GitHub's interface, with one model of timm."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from tests.support.http_server import Answer, FaultyServer

REVISION = "0123456789abcdef0123456789abcdef01234567"
RESULTS_REVISION = "76543210fedcba9876543210fedcba9876543210"
RESULTS = """\
model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation
tf_mixnet_l.in1k,224,78.774,21.226,94.000,6.000,7.33,0.875,bicubic
convnext_tiny.fb_in1k,288,82.700,17.300,96.150,3.850,28.59,1.000,bicubic
convnext_tiny.fb_in1k,224,82.062,17.938,95.854,4.146,28.59,0.875,bicubic
"""
"""Rows of timm's results-imagenet.csv of 2026."""

_API = "/repos/huggingface/pytorch-image-models"


def told(data: bytes) -> dict[str, str]:
    """The headers with which the Hub tells what a file of ``data`` is."""
    return {
        "X-Repo-Commit": REVISION,
        "X-Linked-Size": str(len(data)),
        "X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"',
    }


def put_weights(server: FaultyServer, repository: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
    """Serve ``data`` as model.safetensors of ``repository``: behind a redirect that has ``headers``, as on the Hub."""
    storage = f"/storage/{repository}"
    server.put(storage, data)
    for revision in ("main", REVISION):
        answer = Answer(302, headers={**(told(data) if headers is None else headers), "Location": storage})
        server.put(f"/{repository}/resolve/{revision}/model.safetensors", b"", answer)


def put_results(server: FaultyServer, text: str = RESULTS) -> None:
    """Serve ``text`` as timm's figures, by GitHub's interface."""
    commit = {"sha": RESULTS_REVISION, "commit": {"committer": {"date": "2026-08-08T14:44:52Z"}}}
    server.put(f"{_API}/commits", json.dumps([commit]).encode())
    server.put(f"{_API}/contents/results/results-imagenet.csv", text.encode())


def environment(server: FaultyServer) -> dict[str, str]:
    """What makes ``server`` the Hub and GitHub."""
    return {"HF_ENDPOINT": server.url, "GITHUB_API_URL": f"{server.url}/"}
