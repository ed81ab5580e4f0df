"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("nchw2nhwc", "numpy", "onnx", "highspy", "ai-edge-litert", "onnxruntime", "openvino", "tensorflow", "keras")


def describe_machine() -> list[str]:
    """Processor, memory, system, Python and the versions of what takes part, a string each."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return [f"{_processor()}, {os.cpu_count()} cores", f"{memory:.0f} GB", platform.platform(), f"Python {platform.python_version()}",
            *(f"{name} {version}" for name in PACKAGES if (version := _version(name)))]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
