"""What computes: its processor and its cores. Loads no Keras."""

import os
import platform
from pathlib import Path


def machine():
    """The processor and how many cores this process may use."""
    may = getattr(os, "sched_getaffinity", None)
    return {
        "system": platform.system(),
        "processor": processor(),
        "cores": len(may(0)) if may else os.cpu_count(),
    }


def processor():
    """The name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
