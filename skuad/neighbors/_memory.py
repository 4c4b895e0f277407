"""A clear error before an allocation that cannot succeed."""

from pathlib import Path


def available_memory() -> int | None:
    """Return the bytes that this process can still allocate, or None if unknown.

    It is the lesser of what the machine has free (page cache included) and what the
    control group of the process (a container) allows. Known on Linux only.
    """
    limits = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                limits.append(int(line.split()[1]) * 1024)
        group = Path("/sys/fs/cgroup")
        allowed = (group / "memory.max").read_text().strip()
        if allowed != "max":
            used = int((group / "memory.current").read_text())
            limits.append(max(0, int(allowed) - used) + _reclaimable(group))
    except (OSError, ValueError):
        pass
    return min(limits, default=None)


def _reclaimable(group: Path) -> int:
    """Return the bytes of page cache that a control group can give up."""
    for line in (group / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file":
            return int(value)
    return 0


def require_memory(n_bytes: int, *, purpose: str, advice: str) -> None:
    """Raise MemoryError if an allocation exceeds the memory that is available.

    Parameters
    ----------
    n_bytes : int
        Size of what is about to be allocated.
    purpose, advice : str
        What it is for, and what the user can do about it.

    Raises
    ------
    MemoryError
        Says how many GB are needed and how many there are.
    """
    available = available_memory()
    if available is not None and n_bytes > available:
        raise MemoryError(
            f"{purpose} needs {n_bytes / 1e9:.1f} GB of memory, "
            f"{available / 1e9:.1f} GB are available. {advice}"
        )
