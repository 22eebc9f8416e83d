"""Deadline: how many patches fit into the time that a frame, or a rig's set, may take."""

BUCKETS = (0.0, 0.03125, 0.0625, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0)
"""Prepared budgets, as shares of N: a few static shapes, each a CUDA graph on a GPU."""
SAFETY = 0.85
"""Share of the deadline that the estimate may fill; the rest allows for variation."""
MEMORY = 0.8
"""Weight of the past in the running means."""
FORGETTING = 0.95
"""Factor on a patch's cost after a frame without patches, so that they are tried again."""


def bucket(budget: int, count: int) -> int:
    """Return the largest prepared budget that is at most `budget`, for N = `count` patches."""
    return max((k for k in (round(share * count) for share in BUCKETS) if k <= budget), default=0)


class Deadline:
    """Learns what a frame costs with and without patches, and budgets the next one.

    What is spent besides the patches grows with the images: sets of few and of many alternate.
    """

    def __init__(self, deadline_ms: float) -> None:
        self.deadline_ms = deadline_ms
        self._fixed: float | None = None
        self._per_patch: float | None = None

    def observe(self, total_ms: float, refine_ms: float, patches: int, count: int) -> None:
        """Note what a frame of N = `count` patches cost; a rise counts at once, a fall slowly."""
        self._fixed = _follow(self._fixed, (total_ms - refine_ms) / count)
        if patches:
            self._per_patch = _follow(self._per_patch, refine_ms / patches)
        elif self._per_patch is not None:
            self._per_patch *= FORGETTING

    def budget(self, wanted: int, count: int) -> tuple[int, str]:
        """Return K for the next frame and the reason for it."""
        if self._fixed is None or self._per_patch is None or self._per_patch <= 0:
            return wanted, "asked for"
        room = SAFETY * self.deadline_ms - self._fixed * count
        fitting = int(room / self._per_patch)
        if fitting >= wanted:
            return wanted, "asked for"
        return bucket(max(fitting, 0), count), f"deadline of {self.deadline_ms:g} ms"


def _follow(mean: float | None, value: float) -> float:
    if mean is None or value > mean:
        return value
    return MEMORY * mean + (1 - MEMORY) * value
