"""Keeps a node alive when one of its callbacks raises: told in log and diagnostics, not fatal.

It never hides an error, and never answers a service with success after one.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

RCLError = rclpy_implementation.RCLError
Failed = Callable[[str, Exception], None]


def guarded(callback: Callable[..., Any], failed: Failed) -> Callable[..., Any]:
    """The callback, but what it raises is handed to `failed` with the callback's name."""
    name = _name(callback)

    # rclpy looks at the signature to see what a callback wants: wraps() keeps it.
    @functools.wraps(callback)
    def kept_alive(*arguments: Any) -> Any:
        try:
            return callback(*arguments)
        except Exception as error:  # noqa: BLE001 - the node lives on
            failed(name, error)
            return None

    return kept_alive


def guarded_service(callback: Callable[..., Any], failed: Failed) -> Callable[..., Any]:
    """The same for a service's: the caller hears at once that it failed, not nothing for ever."""
    name = _name(callback)

    @functools.wraps(callback)
    def kept_alive(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except Exception as error:  # noqa: BLE001 - the node lives on
            failed(name, error)
            return _failure(request, response, one_line(name, error))

    return kept_alive


def _failure(request: Any, response: Any, text: str) -> Any:
    if hasattr(response, 'success'):
        response.success = False
    if hasattr(response, 'message'):
        response.message = text
    # One result for each parameter that was to be set, or the caller looks for it in vain.
    if hasattr(response, 'results'):
        missing = len(request.parameters) - len(response.results)
        response.results = [*response.results, *(
            SetParametersResult(successful=False, reason=text) for _ in range(missing))]
    return response


def _name(callback: Callable[..., Any]) -> str:
    return str(getattr(callback, '__name__', type(callback).__name__)).strip('_')


def one_line(name: str, error: Exception) -> str:
    """What is told of an error."""
    return f'{name}: {type(error).__name__}: {error}'.replace('\n', ' ')


class Guarded(Node):
    """A mixin, named before LifecycleNode: guards every callback of the node, ROS's own too.

    A transition that the state does not allow makes rclpy of Humble and Jazzy raise out of the
    service `change_state`; here it is answered with `success: false`, as Kilted does.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        """Make the node, then guard the services that rclpy made past create_service."""
        super().__init__(*arguments, **more)
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._refusing(service.callback)
            if not hasattr(service.callback, '__wrapped__'):
                service.callback = guarded_service(service.callback, self.callback_failed)

    def _refusing(self, change_state: Callable[..., Any]) -> Callable[..., Any]:
        def answer(request: Any, response: Any) -> Any:
            try:
                return change_state(request, response)
            except RCLError as error:
                # The asker's mistake, not the node's: no failure in the diagnostics.
                self.get_logger().error(f'transition refused: {error}'.replace('\n', ' '))
                response.success = False
                return response

        return answer

    def callback_failed(self, name: str, error: Exception) -> None:
        """A callback raised: write it to the log. Extend it to tell others."""
        trace = ''.join(traceback.format_exception(type(error), error, error.__traceback__))
        self.get_logger().error(f'{one_line(name, error)}\n{trace}')

    def create_subscription(self, msg_type: Any, topic: Any, callback: Any, *arguments: Any,
                            **more: Any) -> Any:
        """As rclpy's, with a guarded callback."""
        return super().create_subscription(
            msg_type, topic, guarded(callback, self.callback_failed), *arguments, **more)

    def create_service(self, srv_type: Any, srv_name: Any, callback: Any, *arguments: Any,
                       **more: Any) -> Any:
        """As rclpy's, with a guarded callback."""
        return super().create_service(
            srv_type, srv_name, guarded_service(callback, self.callback_failed), *arguments, **more)

    def create_timer(self, timer_period_sec: Any, callback: Any, *arguments: Any,
                     **more: Any) -> Any:
        """As rclpy's, with a guarded callback."""
        return super().create_timer(
            timer_period_sec, guarded(callback, self.callback_failed), *arguments, **more)
