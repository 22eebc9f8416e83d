"""What both nodes share: life cycle, parameters, diagnostics, input only when it is wanted."""

from typing import Any, Generic

from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from pdn_ros.errors import InputError
from pdn_ros.ros.diagnostics import Health
from pdn_ros.ros.parameters import Config, Parameters

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
LISTENERS_S = 0.2
"""How often a lazy node looks whether anybody listens."""


class ManagedNode(LifecycleNode, Generic[Config]):  # type: ignore[misc]  # rclpy is untyped here
    """A lifecycle node with typed parameters.

    A subclass says what happens in `setup`, `start`, `stop`, `teardown`, which may raise InputError
    to refuse, and in `open_inputs` and `close_inputs`; `wanted` says whether an output is listened
    to, `reset` forgets the past.
    """

    def __init__(self, name: str, kind: type[Config], **options: Any) -> None:
        super().__init__(name, **options)
        self.config: Config = kind()
        self._configured = False
        self._open = False
        self._watch: Any = None
        self.health = Health(self, self.figures, self.silent)
        self.parameters: Parameters[Config] = Parameters(
            self, kind, frozen=lambda: self._configured, changed=self._changed
        )
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False
            ),
            post_callback=lambda _: self.reset("time jumped back"),
        )
        self._service_change_state.callback = self._guarded(self._service_change_state.callback)

    def setup(self, config: Config) -> None:
        """Load what the node works with and make its publishers."""
        raise NotImplementedError

    def start(self) -> None:
        """Start working."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop working; nothing is published afterwards."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Free what `setup` made, all of it or what there is."""
        raise NotImplementedError

    def open_inputs(self) -> None:
        """Subscribe to the inputs."""
        raise NotImplementedError

    def close_inputs(self) -> None:
        """Unsubscribe from the inputs."""
        raise NotImplementedError

    def wanted(self) -> bool:
        """Say whether anybody listens to an output."""
        raise NotImplementedError

    def reset(self, reason: str, stamp_ns: int | None = None) -> None:
        """Forget what was gathered over time; `stamp_ns` is where it goes on, if known."""
        raise NotImplementedError

    def poll(self) -> None:
        """Do what has to be done a few times a second while active."""

    def reconfigure(self, config: Config) -> None:
        """Take over changed live parameters."""

    def age_ms(self, stamp_ns: int) -> float:
        """Return how long ago a stamp was on the node's clock."""
        return float(self.get_clock().now().nanoseconds - stamp_ns) / 1e6

    def figures(self) -> dict[str, str]:
        """Return what the diagnostics should say."""
        return {}

    def silent(self) -> str:
        """Return a warning when input is missing, else an empty string."""
        return ""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters and set up; one line and no change when that fails."""
        try:
            self.config = self.parameters.config()
            self.setup(self.config)
        except Exception as error:  # noqa: BLE001 - whatever fails, the node stays unconfigured
            known = isinstance(error, InputError)
            self.health.failed(str(error) if known else f"{type(error).__name__}: {error}")
            self.teardown()
            return FAILURE
        self._configured = True
        self.health.failed("")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the work and, unless lazy, take input."""
        result = super().on_activate(state)
        self.start()
        self._listen()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._watch = self.create_timer(LISTENERS_S, self._listen, clock=steady)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop taking input and working."""
        self._halt()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything that was set up."""
        self._free()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free, whatever the state was."""
        self._halt()
        self._free()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Go back to unconfigured after a transition that raised."""
        self._halt()
        self._free()
        return SUCCESS

    def destroy_node(self) -> None:
        """Stop and free before the node goes."""
        self._halt()
        self._free()
        self._jumps.unregister()
        super().destroy_node()

    def _halt(self) -> None:
        if self._watch is not None:
            self.destroy_timer(self._watch)
            self._watch = None
            if self._open:
                self.close_inputs()
                self._open = False
            self.stop()

    def _free(self) -> None:
        self._configured = False
        self.teardown()

    def _listen(self) -> None:
        want = not getattr(self.config, "lazy", False) or self.wanted()
        if want != self._open:
            self._open = want
            (self.open_inputs if want else self.close_inputs)()
        self.poll()

    def _changed(self, config: Config) -> None:
        self.config = config
        if self._configured:
            self.reconfigure(config)

    def _guarded(self, change_state: Any) -> Any:
        """Answer a transition that the state does not allow, instead of raising as rclpy does."""

        def answer(request: Any, response: Any) -> Any:
            try:
                return change_state(request, response)
            except RCLError:
                state = self._state_machine.current_state[1]
                wish = request.transition.label or f"transition {request.transition.id}"
                self.get_logger().warning(f"{wish} refused: the node is {state}")
                response.success = False
                return response

        return answer
