"""The fastest way to run the network that works: tried in order, also while images come."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from torch import Tensor

from pdn_ros.errors import InputError
from pdn_ros.network import Parts
from pdn_ros.network.refinement import Refined
from pdn_ros.network.segmentation import Segmentation
from pdn_ros.perception.backends.compiled import BackendError, CompiledParts, UnsupportedError

T = TypeVar("T")
Choice = tuple[str, str]
"""A backend and a precision."""
_log = logging.getLogger(__name__)


class FallbackParts:
    """The network's parts on the first choice that works; if it fails, the next one takes over.

    It takes over for good, for images of every size: going back would mean to build, check and fail
    again whenever sizes alternate.

    Attributes:
        backend: What runs the network now.
        precision: What it computes in.
        fallback: Why the earlier choices cannot be used; empty if there are none.

    Raises:
        InputError: None of the choices can be started.
    """

    def __init__(self, choices: Sequence[Choice], start: Callable[[str, str], Parts]) -> None:
        self.fallback = ""
        self._left, self._start = list(choices), start
        self._warned = ""
        self._next()

    @property
    def building(self) -> bool:
        """Whether a model is being built now; thread-safe."""
        return isinstance(self._parts, CompiledParts) and self._parts.building

    @property
    def models(self) -> tuple[str, str, int]:
        """Backend, precision and number of the models taken into use: changes when one is."""
        count = self._parts.prepared if isinstance(self._parts, CompiledParts) else 0
        return self.backend, self.precision, count

    def run_context(
        self, images: Tensor, rows: int, cols: int, cell: int
    ) -> tuple[Segmentation, Tensor]:
        """See the whole image at the context scale."""
        return self._call(lambda parts: parts.run_context(images, rows, cols, cell))

    def run_refinement(
        self, crops: Tensor, context: Segmentation, centres: Tensor, scale: float
    ) -> Refined:
        """Refine selected patches."""
        return self._call(lambda parts: parts.run_refinement(crops, context, centres, scale))

    def run_dense(self, images: Tensor) -> Tensor:
        """Run the dense network."""
        return self._call(lambda parts: parts.run_dense(images))

    def _call(self, run: Callable[[Parts], T]) -> T:
        while True:
            try:
                done = run(self._parts)
            except BackendError as error:
                self._pass_over(error)
                self._next()
            else:
                if self._warned != self.fallback:
                    self._warned = self.fallback
                    _log.warning(
                        "%s; %s in %s runs the network", self.fallback, self.backend, self.precision
                    )
                return done

    def _next(self) -> None:
        while True:
            self.backend, self.precision = self._left[0]
            try:
                self._parts = self._start(self.backend, self.precision)
            except (ImportError, OSError, InputError) as error:
                self._pass_over(error)
            else:
                return

    def _pass_over(self, error: Exception) -> None:
        """Go on to the next choice; raises InputError if this one is the last."""
        reason = f"backend {self.backend}, precision {self.precision}: {error}"
        if len(self._left) == 1:
            raise InputError(reason) from error
        self._left.pop(0)
        # With `auto`, a missing processor feature is not worth a report.
        if not isinstance(error, UnsupportedError):
            self.fallback = "; ".join(filter(None, (self.fallback, reason)))
