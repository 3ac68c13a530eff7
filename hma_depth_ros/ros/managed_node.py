"""A managed node that starts by itself, and says why a transition does not succeed."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.parameter_types import ForgivingParameters

Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def logged(transition: Transition) -> Transition:
    """Log what a transition of a `ManagedNode` raises: rclpy itself would swallow it."""

    def wrapper(self: ManagedNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            result = transition(self, state)
            self.failure = ""
            return result
        except HmaDepthError as error:
            self.failure = str(error)
            if not self.ending():
                self.get_logger().error(self.failure)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            if self.ending():
                return TransitionCallbackReturn.FAILURE
            self.failure = repr(error)
            self.get_logger().error(traceback.format_exc())
            return TransitionCallbackReturn.ERROR

    return wrapper


class ManagedNode(ForgivingParameters, LifecycleNode):
    """Base of a node whose transitions are `logged`."""

    def __init__(self, node_name: str, *, stop: threading.Event | None, **kwargs: Any) -> None:
        """Be unconfigured.

        Args:
            node_name: name.
            stop: once it is set the process ends: what takes long is left undone.
            kwargs: rclpy's.

        """
        super().__init__(node_name, **kwargs)
        self.failure = ""  #: why the last transition did not succeed
        self._stop_request = stop or threading.Event()
        self._destroyed = False
        self._autostart_timer: Any = None

    @property
    def state(self) -> str:
        """Of the life cycle."""
        label: str = self._state_machine.current_state[1]
        return label

    def steady_timer(self, seconds: float, callback: Callable[[], None]) -> Any:
        """A timer that goes on while simulated time stands still."""
        return self.create_timer(seconds, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def start_by_itself(self) -> None:
        """Let the first thing that the executor is given to do be to configure and activate."""
        self._autostart_timer = self.steady_timer(0.0, self._autostart)

    def _autostart(self) -> None:
        self._autostart_timer.cancel()  # once
        if self.state != "unconfigured":
            return  # somebody was faster
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def ending(self) -> bool:
        """Whether node or process are about to end, and nobody waits for results any more."""
        return self._destroyed or self._stop_request.is_set() or not self.context.ok()

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, from where the node can be configured again."""
        failure = self.failure
        result = self.on_shutdown(state)
        self.failure = failure  # what led here is still what is wrong
        return result

    def stop_work(self) -> None:
        """Stop what goes on beside the executor; called before anything is destroyed."""

    def destroy_node(self) -> None:
        """Stop the work before the publishers go."""
        self._destroyed = True
        self.stop_work()
        super().destroy_node()
        # It holds the node, and so the DDS participant with its shared memory.
        self._state_machine.destroy_when_not_in_use()
