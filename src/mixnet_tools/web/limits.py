"""What the page takes at most, in bytes, pictures and seconds. Pixels have the budget of every decoded image."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Budgets of the page.

    ``bytes`` of one picture, ``files`` that the page takes in one drop, ``at_once`` pictures that the server holds at
    the same time, and seconds: ``head_seconds`` for a request to be asked, ``body_seconds`` for a picture to arrive,
    ``answer_seconds`` until the models have answered, ``drop_seconds`` for what is refused to be sent to its end.
    """

    bytes: int = 32 << 20
    files: int = 20
    at_once: int = 8
    head_seconds: float = 20.0
    body_seconds: float = 30.0
    answer_seconds: float = 60.0
    drop_seconds: float = 2.0


CONNECTIONS = 100
"""Connections that are open at the same time. More are answered with 503."""
