"""What pages with a script of our own share: where templates are, and how a policy names it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from innerview.explanation.page import template_loader

__all__ = ["page_environment", "page_script"]


@cache
def page_environment() -> Environment:
    """Templates of this room, and those of cards; what comes from data is escaped."""
    own = PackageLoader("innerview.evaluation", "templates")
    return Environment(
        loader=ChoiceLoader([own, template_loader()]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_script(name: str) -> tuple[Markup, str]:
    """A script, and its hash for the page's policy; line feeds only, or that would depend on the
    checkout."""
    environment = page_environment()
    assert environment.loader is not None
    script = environment.loader.get_source(environment, name)[0].replace("\r\n", "\n")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup(script), digest  # noqa: S704 (our own file)
