"""The page as bytes: the template filled, with a policy that lets a browser fetch and run nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src '{style}'; script-src '{script}'; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content-Security-Policy: only the style and the script of this page, known by their digests, and pictures
that are in it."""


def render(context: dict[str, Any]) -> bytes:
    """The whole page.

    Args:
        context: What the template names.
    """
    environment = _environment()
    style, script = (_source(environment, name) for name in ("page.css", "page.js"))
    policy = _POLICY.format(style=_digest(style), script=_digest(script))
    page = environment.get_template("page.html").render(**context, style=style, script=script, policy=policy)
    return page.encode("utf-8", "backslashreplace")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("imgpipe.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].strip()


def _digest(text: str) -> str:
    """As a policy names a source (CSP level 3 §6.7.2.2)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
