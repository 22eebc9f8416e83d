"""Energy of the processor by RAPL (Linux's powercap), where the machine tells."""

from pathlib import Path
from typing import Final

from pdn_ros.replay.results import NAN

_ROOT: Final = Path("/sys/class/powercap")


class Energy:
    """Counts the joules of all processor packages.

    Attributes:
        source: Where the figure comes from, or why there is none.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        # intel-rapl:0 is a package (AMD's too); intel-rapl:0:1 a part of it, counted there.
        zones = sorted(z for z in root.glob("intel-rapl:*") if z.name.count(":") == 1)
        self._zones: list[tuple[Path, int]] = []
        try:
            for zone in zones:
                (zone / "energy_uj").read_text(encoding="ascii")
                limit = int((zone / "max_energy_range_uj").read_text(encoding="ascii"))
                self._zones.append((zone / "energy_uj", limit))
        except OSError as error:
            self._zones = []
            self.source = f"unknown: {zone}: {error.strerror}"
        else:
            self.source = f"RAPL, {len(zones)} packages" if zones else f"unknown: no RAPL in {root}"
        self._last = self._read()

    def lap(self) -> float:
        """Return the joules since the last call; NaN where they are unknown."""
        before, self._last = self._last, self._read()
        if not self._zones:
            return NAN
        # The counters wrap around.
        spent = (
            (now - then) % limit
            for (_, limit), then, now in zip(self._zones, before, self._last, strict=True)
        )
        return sum(spent) / 1e6

    def _read(self) -> list[int]:
        return [int(path.read_text(encoding="ascii")) for path, _ in self._zones]
