"""The most memory that a process holds while something runs."""

import sys
from contextlib import suppress


class PeakMemory:
    """Measure the highest resident memory of this process, in MB (1e6 bytes).

    On Linux of the time since it was made. Elsewhere the operating system cannot be
    told to start anew, so it is the highest since the process began, or nan.
    """

    def __init__(self) -> None:
        self._is_reset = False
        with suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # reset the high-water mark
            self._is_reset = True

    def read(self) -> float:
        """Return the peak so far."""
        if self._is_reset:
            with suppress(OSError), open("/proc/self/status") as file:
                for line in file:
                    if line.startswith("VmHWM:"):
                        return int(line.split()[1]) * 1024 / 1e6
        try:
            import resource
        except ImportError:  # Windows
            return float("nan")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
