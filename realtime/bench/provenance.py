"""Which machine, which versions and which state a measurement was made in: what somebody else needs to judge it.

Read from the system as it tells it, and left out where it does not; no name of a user, a host or a folder.
"""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from duet import __version__

PACKAGES = ("numpy", "scipy", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt-rtx", "tensorrt", "mediapipe")
_ROOT = Path(__file__).resolve().parents[2]
_CPUS = Path("/sys/devices/system/cpu")
_SUPPLIES = Path("/sys/class/power_supply")
SAME_MACHINE = ("cpu", "cores", "usable_cores", "memory_gb", "system", "gpu")
"""What must agree for two measurements to be of one machine."""


def cpu_name() -> str:
    """The processor as the system calls it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def provenance(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """Machine, versions and state of now, as plain values."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "duet": __version__,
        "git": git_state(_ROOT),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **versions(packages)},
        "state": state(),
    }


def machine() -> dict[str, Any]:
    """What does not change from run to run."""
    found: dict[str, Any] = {
        "cpu": cpu_name(),
        "cores": os.cpu_count() or 0,
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "gpu": gpus(),
    }
    return found


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def state() -> dict[str, Any]:
    """What may be different the next time: load, clock rate, power."""
    found: dict[str, Any] = {}
    if hasattr(os, "getloadavg"):
        found["load_1min"] = round(os.getloadavg()[0], 2)
    governor = _CPUS / "cpu0" / "cpufreq" / "scaling_governor"
    for name, path in (("governor", governor), ("boost", _CPUS / "cpufreq" / "boost")):
        if (told := _read(path)) is not None:
            found[name] = told
    if (frequency := _frequency_mhz()) is not None:
        found["mhz"] = frequency
    supplies = sorted(_SUPPLIES.iterdir()) if _SUPPLIES.is_dir() else []
    batteries = [told for supply in supplies if (told := _read(supply / "status")) is not None]
    found["power"] = ", ".join(batteries) if batteries else "no battery"
    if told := _gpus_now():
        found["gpu"] = told
    return found


def doubts_of_machine(where: dict[str, Any]) -> list[str]:
    """Sentences on why a machine in such a state (``provenance``) may not be what it is at its best."""
    state, cores = where["state"], where["machine"]["usable_cores"]
    said = []
    if (load := state.get("load_1min", 0.0)) > 0.3 * max(cores, 1):
        said.append(f"Busy: {load:g} processes wanted the {cores} cores before this began. Close them, measure again.")
    if state.get("governor", "performance") != "performance":
        said.append(f"Clock: the governor is {state['governor']!r}, and the clock rate may change from tick to tick.")
    if "Discharging" in state.get("power", ""):
        said.append("Power: this machine runs on its battery, and may be slower for it.")
    return said


def git_state(folder: Path) -> str:
    """The commit of ``folder`` and whether anything was changed since; "" where it is no working copy."""
    if shutil.which("git") is None or not (folder / ".git").exists():
        return ""
    commit = _output(["git", "-C", str(folder), "rev-parse", "HEAD"])
    changed = _output(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"])
    return f"{commit}{' and changes' if changed else ''}" if commit else ""


def gpus() -> str:
    """NVIDIA's cards with driver, power limit and clock, as their own tool tells; "" where there is none."""
    if shutil.which("nvidia-smi") is None:
        return ""
    told = _output(
        ["nvidia-smi", "--query-gpu=name,driver_version,power.limit,clocks.max.sm,compute_cap", "--format=csv,noheader"]
    )
    return "; ".join(line.strip() for line in told.splitlines())


def _gpus_now() -> str:
    """Clock, power, temperature and what holds each NVIDIA card back, now; "" where there is none."""
    if shutil.which("nvidia-smi") is None:
        return ""
    asked = "clocks.sm,pstate,power.draw,temperature.gpu,clocks_throttle_reasons.active"
    told = _output(["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"])
    return "; ".join(line.strip() for line in told.splitlines())


def compute_capability() -> str:
    """Of the first NVIDIA GPU, such as 8.9; "" where there is none."""
    if shutil.which("nvidia-smi") is None:
        return ""
    told = _output(["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"])
    return told.splitlines()[0].strip() if told else ""


def _output(command: list[str]) -> str:
    """What a command prints; "" where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20.0, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _frequency_mhz() -> float | None:
    """Mean of the cores' clock rates now."""
    rates = [
        float(line.partition(":")[2])
        for line in (_read(Path("/proc/cpuinfo")) or "").splitlines()
        if line.startswith("cpu MHz")
    ]
    return round(sum(rates) / len(rates)) if rates else None


def _memory_gb() -> float:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, OSError, ValueError):
        return 0.0
