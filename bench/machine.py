"""What a figure was measured on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from bench import remote
from dcnfast import cpu

PACKAGES = (
    "dcnfast", "numpy", "scikit-learn", "torch", "onnxruntime", "polars", *remote.PACKAGES
)  # fmt: skip


def describe() -> dict[str, str | int]:
    """Return CPU, threads, instruction set and the versions of what takes part."""
    config = cpu.config()
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    about: dict[str, str | int] = {
        "cpu": _cpu_model(),
        "threads": config["threads"],
        "instruction set": config["instruction set active"],
        "system": f"{platform.system()} {platform.machine()}",
        "compiler": config["compiler"],
        "blas": f"{blas['name']} {blas['version']}",
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            about[package] = version(package)
        except PackageNotFoundError:
            continue
    return remote.versions() | about


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
