"""Renders pages that are whole by themselves: style, pictures and charts are in them, and they run no script.

Jinja2 fills the templates. It comes with the extra ``report``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mixnet_tools import __version__
from mixnet_tools.errors import MissingDependency
from mixnet_tools.files.shown import shown

PAGES = Path(__file__).parent


def require() -> None:
    """Raise :class:`MissingDependency` where Jinja2 is not installed."""
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            f"an HTML report needs Jinja2 ({error})", hint="pip install 'mixnet-tools[report]'"
        ) from error


def render(template: Path, *, title: str, made: str | None = None, **context: object) -> str:
    """Fill ``template``, which extends ``base.html.j2``, with ``context``. ``made`` says when and where it was made.

    Texts are escaped, and lose the secrets of their URLs and what steers a terminal. Markup that this package made
    itself goes through the filter ``safe``. Raises :class:`MissingDependency` where Jinja2 is not installed.
    """
    require()
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, PAGES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if type(value) is str else value,  # markup is another kind of str
    )
    filled = environment.get_template(template.name)
    return filled.render(title=title, made=made, version=__version__, style=_style(), **context)


@cache
def _style() -> str:
    return (PAGES / "style.css").read_text(encoding="utf-8")
