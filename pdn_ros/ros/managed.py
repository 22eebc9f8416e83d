"""Base of both nodes: life cycle, parameters, diagnostics, a worker, input only when wanted."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Generic

from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile

from pdn_ros.config import AnyConfig
from pdn_ros.errors import InputError
from pdn_ros.ros.diagnostics import Condition, Health, Level
from pdn_ros.ros.lifecycle import Bond, answer_refused_transitions
from pdn_ros.ros.namesakes import Namesakes
from pdn_ros.ros.parameters import Parameters
from pdn_ros.ros.qos import latest_only
from pdn_ros.ros.slot import LatestSlot, Worker
from pdn_ros.ros.tf import TfListener

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
LISTENERS_S = 0.2
"""How often a lazy node checks for subscribers, seconds."""
SILENCE_S = 1.5
"""Seconds without input until the diagnostics report it: with their period, within 2 s."""
ANSWER_S = 2.0
"""Seconds of input without a result until the diagnostics report it."""
STOP_S = 10.0
FOREIGN_CLOCK_MS = 3_600_000.0
"""Stamps further from the clock than this belong to a recording."""


class ManagedNode(LifecycleNode, Generic[AnyConfig]):  # type: ignore[misc]  # rclpy is untyped here
    """A lifecycle node with typed parameters that processes its input in a thread.

    A subclass implements `setup` and `teardown` (which may raise InputError to refuse), `subscribe`
    and `work`; it passes its input to `take` and publishes with `send`.

    Args:
        name: Name of the node.
        kind: Type of its configuration.
        subject: Input and output for the diagnostics: ("image", "mask").
    """

    def __init__(
        self,
        name: str,
        kind: type[AnyConfig],
        *,
        subject: tuple[str, str],
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.config: AnyConfig = kind()
        self.transforms: TfListener | None = None
        self.worker: Worker[Any] | None = None
        self.inputs: list[Any] = []
        self.inputs_on_demand: list[Any] = []
        self._subject = subject
        self._outputs: dict[str, Any] = {}
        self._state = "unconfigured"
        self._watch: Any = None
        self._bond = Bond(self)
        self._heard_at = time.monotonic()
        self._received = self._dropped = 0
        self.health = Health(
            self, state=lambda: self._state, conditions=self._conditions, values=self._values
        )
        self._namesakes = Namesakes(self, self.health.name)
        self.parameters: Parameters[AnyConfig] = Parameters(
            self, kind, frozen=lambda: self._state != "unconfigured", changed=self._changed
        )
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False
            ),
            post_callback=lambda _: self.reset("time jumped back"),
        )
        answer_refused_transitions(self, lambda: self._state)

    # For a subclass to implement.

    def setup(self, config: AnyConfig) -> None:
        """Load what the node works with."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Free what `setup` made, even if it did not finish."""
        raise NotImplementedError

    def topics(self, config: AnyConfig) -> dict[str, tuple[type, QoSProfile]]:
        """Return the outputs: name below `~/` -> message type and QoS."""
        raise NotImplementedError

    def subscribe(self) -> list[Any]:
        """Subscribe to the inputs; the first is the one that is processed."""
        raise NotImplementedError

    def subscribe_on_demand(self) -> list[Any]:
        """Subscribe to inputs that are needed only while `demands()` is true."""
        return []

    def demands(self) -> bool:
        """Say whether the inputs on demand are needed; asked only while the others are open."""
        return self.wanted()

    def slot(self) -> LatestSlot[Any]:
        """Return what holds the messages for the worker."""
        return LatestSlot()

    def work(self, item: Any) -> None:
        """Process one message, in the worker's thread."""
        raise NotImplementedError

    def idle(self) -> None:
        """Do waiting work between two messages, in the worker's thread."""

    def waits(self) -> bool:
        """Say whether `idle` has something to do soon."""
        return False

    def forget(self, stamp_ns: int | None = None) -> None:
        """Forget state kept over time; `stamp_ns` is where time continues, if known."""
        raise NotImplementedError

    def poll(self) -> None:
        """Do what has to be done a few times a second while active, in the executor's thread."""

    def silent(self) -> list[str]:
        """Return the topics of inputs that are processed and no longer come."""
        quiet = time.monotonic() - self._heard_at >= SILENCE_S
        return [self.inputs[0].topic_name] if quiet else []

    def conditions(self) -> Iterator[Condition]:
        """Yield what holds now, besides what every node reports."""
        yield from ()

    def delay(self) -> str:
        """Return why a result may take long now; empty if it should not."""
        return ""

    def values(self) -> dict[str, str]:
        """Return values for the diagnostics, besides those of every node."""
        return {}

    # For a subclass to call.

    def take(self, item: Any) -> None:
        """Take a message in for the worker; the newest wins."""
        self._heard_at = time.monotonic()
        self.health.expect()
        if self.worker is not None:
            self.worker.slot.put(item)

    def skip(self) -> None:
        """Ignore a message: input has arrived, but no result is expected."""
        self._heard_at = time.monotonic()
        self.health.restart()

    def failed(self, error: Exception, what: str = "") -> None:
        """Report what made an input useless; `what` names it, else it is the subject."""
        what = what or self._subject[0]
        if not isinstance(error, InputError | LookupError):
            line = f"{what} dropped: {type(error).__name__}: {error}"
            self.health.report(type(error).__name__, line)
            return
        line = str(error)
        self.health.report(what, line if line.startswith(what) else f"{what}: {line}")

    def guard(self, kind: str, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Return a callback for an input that reports errors, as the executor would not.

        Args:
            kind: Kind of the problem: the topic.
            take: What to do with a message.
        """

        def guarded(data: bytes) -> None:
            try:
                take(data)
            except Exception as error:  # noqa: BLE001 - reported; the next message may be good
                self.failed(error, kind)

        return guarded

    def listen(self, kind: type, topic: str, take: Callable[[bytes], None]) -> Any:
        """Subscribe to an input of sensor data; its messages arrive serialized."""
        return self.create_subscription(
            kind, topic, self.guard(topic, take), latest_only(), raw=True
        )

    def wanted(self, *names: str) -> bool:
        """Say whether one of the outputs has a subscriber; without names, any output."""
        outputs = self._outputs
        return any(
            outputs[name].get_subscription_count() for name in names or outputs if name in outputs
        )

    def send(self, name: str, message: Any) -> None:
        """Publish a message, serialized or not."""
        self._outputs[name].publish(message)

    def age_ms(self, stamp_ns: int) -> float:
        """Return a stamp's age on the node's clock, milliseconds."""
        return float(self.get_clock().now().nanoseconds - stamp_ns) / 1e6

    def reset(self, reason: str, stamp_ns: int | None = None) -> None:
        """Forget state and moving transforms, and log it."""
        self.get_logger().info(f"state reset: {reason}")
        if self.transforms is not None:
            self.transforms.clear(stamp_ns)
        self.forget(stamp_ns)

    # Life cycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters and set up; one line and no change when that fails."""
        self._state = "configuring"
        self.health.publish()  # the next report comes only after loading weights and models
        try:
            self.config = self.parameters.config()
            self.transforms = TfListener(self, self.health.report)
            self.setup(self.config)
            for name, (kind, qos) in self.topics(self.config).items():
                self._outputs[name] = self.create_lifecycle_publisher(kind, f"~/{name}", qos)
        except Exception as error:  # noqa: BLE001 - whatever fails, the node stays unconfigured
            known = isinstance(error, InputError)
            self.health.configuration_failed(
                str(error) if known else f"{type(error).__name__}: {error}"
            )
            self._free()
            return FAILURE
        self._state = "inactive"
        self.health.configuration_failed("")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the work and, unless lazy, take input."""
        result = super().on_activate(state)
        self._state = "active"
        self._heard_at = time.monotonic()
        self.health.restart()
        if self.transforms is not None:
            self.transforms.open()
        self.worker = Worker(
            self._subject[0],
            self._work,
            self.failed,
            idle=self.idle,
            waits=self.waits,
            slot=self.slot(),
        )
        self._listen()
        self._bond.start()
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
        self._state = "finalized"
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
        if self._watch is None:
            return
        self.destroy_timer(self._watch)
        self._watch = None
        self._bond.stop()
        self._close_inputs()
        if self.worker is not None:
            if not self.worker.stop(STOP_S):
                line = f"processing the {self._subject[0]} took more than {STOP_S:.0f} s"
                self.get_logger().warning(line)
            self._received += self.worker.slot.received
            self._dropped += self.worker.slot.dropped
            self.worker = None
        if self.transforms is not None:
            self.transforms.close()
        self._state = "inactive"
        self.health.restart()
        self.forget()

    def _free(self) -> None:
        for publisher in self._outputs.values():
            self.destroy_lifecycle_publisher(publisher)
        self._outputs = {}
        self.teardown()
        self.transforms = None
        self._state = "unconfigured"

    def _listen(self) -> None:
        want = not getattr(self.config, "lazy", False) or self.wanted()
        if want and not self.inputs:
            self._heard_at = time.monotonic()
            self.health.restart()
            self.inputs = self.subscribe()
        elif not want:
            self._close_inputs()
        demanded = bool(self.inputs) and self.demands()
        if demanded and not self.inputs_on_demand:
            self.inputs_on_demand = self.subscribe_on_demand()
        elif not demanded:
            self._close(self.inputs_on_demand)
        self.poll()

    def _close(self, subscriptions: list[Any]) -> None:
        while subscriptions:
            self.destroy_subscription(subscriptions.pop())

    def _close_inputs(self) -> None:
        self._close(self.inputs_on_demand)
        self._close(self.inputs)
        if self.worker is not None:
            self.worker.slot.clear()

    def _changed(self, config: AnyConfig) -> None:
        self.config = config

    # Processing and reporting.

    def _work(self, item: Any) -> None:
        if self.wanted():
            self.work(item)
        else:
            self.health.restart()  # no result is expected

    def _conditions(self) -> Iterator[Condition]:
        self._namesakes.poll()
        if other := self._namesakes.other():
            name = self.get_fully_qualified_name()
            yield Condition(Level.WARN, f"another node is called {name}: {other}")
        if self._state == "configuring":
            yield Condition(Level.WARN, "being configured: loading weights and models")
        if self._state != "active":
            return
        if self.inputs:
            yield from self._supervise()
        yield from self.conditions()

    def _supervise(self) -> Iterator[Condition]:
        """Report missing input or results, and stamps of another clock."""
        what, result = self._subject
        waited_s = self.health.waited_s()
        if silent := self.silent():
            yield Condition(Level.WARN, f"no {what} on {', '.join(silent)}")
        if time.monotonic() - self._heard_at >= SILENCE_S:
            pass  # nothing comes: nothing is due
        elif delay := self.delay():
            yield Condition(Level.WARN, delay)
        elif waited_s >= ANSWER_S and self.wanted():
            reasons = "; ".join(dict.fromkeys(self.health.reasons()))
            line = f"{what}s arrive and no {result} has come for {waited_s:.0f} s"
            yield Condition(Level.ERROR, f"{line}: {reasons}" if reasons else line)
        if self.get_parameter("use_sim_time").value:
            if not self.get_clock().now().nanoseconds:
                yield Condition(Level.WARN, "use_sim_time is set and nothing comes on /clock")
            return
        away_ms = max((abs(age_ms) for age_ms in self.health.ages_ms()), default=0.0)
        if away_ms > FOREIGN_CLOCK_MS:
            yield Condition(
                Level.WARN,
                f"stamps are {away_ms / 3.6e6:.0f} hours away from the clock: "
                "a recording needs use_sim_time",
            )

    def _values(self) -> dict[str, str]:
        slot = self.worker.slot if self.worker is not None else None
        return {
            "received": str(self._received + (slot.received if slot else 0)),
            "dropped": str(self._dropped + (slot.dropped if slot else 0)),
            **self.values(),
        }
