"""The one thread that owns the pipeline, and the one-frame slot through which frames reach it.

It knows nothing of ROS messages and never queues frames: a newer one replaces an older one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Protocol

from stroke_side_monitor.pipeline import Pipeline

Command = Callable[[Pipeline], None]


class Taken(Enum):
    """What became of a frame."""

    ASSESSED = auto()
    # One of those between the frames that are due: a camera is there.
    PASSED_OVER = auto()
    # No picture, or one that nobody will look at: as good as none.
    NOTHING = auto()


class FrameHandler(Protocol):
    """What the worker does with a frame, and with the lack of one; called in its thread."""

    def frame(self, pipeline: Pipeline, message: Any) -> Taken:
        """Assess one message and publish, if it is due."""

    def silence(self, pipeline: Pipeline) -> None:
        """No frame was assessed for the stale timeout."""

    def failed(self, pipeline: Pipeline, error: Exception) -> None:
        """A frame or a command raised what nobody expected."""


class Worker:
    """Runs one Pipeline in one thread: frames newest first, commands in order and before frames.

    Starts inactive: it then takes no frames and costs nothing until resume().
    """

    def __init__(self, make_pipeline: Callable[[], Pipeline], handler: FrameHandler,
                 stale_timeout_s: float) -> None:
        """Start the thread and wait until the pipeline stands.

        Raises:
            whatever `make_pipeline` raises; no thread is left behind then.
        """
        self.stale_timeout_s = stale_timeout_s
        self._handler = handler
        self._changed = threading.Condition()
        self._message: Any = None
        self._commands: deque[Command] = deque()
        self._active = False
        self._stopping = False
        self._busy_since: float | None = None
        self._silent_since = self._assessed_at = time.monotonic()
        self._failure: BaseException | None = None
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(make_pipeline, started), name='assessment')
        self._thread.start()
        started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def offer(self, message: Any) -> bool:
        """Put the newest message into the slot; True when an older one was dropped for it."""
        with self._changed:
            if not self._active:
                return False
            dropped = self._message is not None
            self._message = message
            self._changed.notify()
            return dropped

    def ask(self, command: Command) -> None:
        """Have the worker run `command` before the next frame, also while inactive."""
        with self._changed:
            self._commands.append(command)
            self._changed.notify()

    def resume(self) -> None:
        """Take frames from now on; the stale timeout starts to run."""
        with self._changed:
            self._active = True
            self._silent_since = self._assessed_at = time.monotonic()
            self._changed.notify()

    def pause(self, last: Command) -> None:
        """Take no more frames, run `last` and come back when it is done."""
        done = threading.Event()

        def finish(pipeline: Pipeline) -> None:
            try:
                last(pipeline)
            finally:
                done.set()

        with self._changed:
            self._active = False
            self._message = None
            self._commands.append(finish)
            self._changed.notify()
        while not done.wait(1.0):
            if not self._thread.is_alive():
                return

    def stop(self) -> None:
        """Finish what runs, release the pipeline and end the thread. May be called twice."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    @property
    def busy_s(self) -> float:
        """How long the frame or command at work has been taking, seconds; 0 when idle."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def _run(self, make_pipeline: Callable[[], Pipeline], started: threading.Event) -> None:
        try:
            pipeline = make_pipeline()
        except BaseException as error:  # noqa: BLE001 - handed to the constructor's caller
            self._failure = error
            return
        finally:
            started.set()
        try:
            while (job := self._next()) is not None:
                self._do(job, pipeline)
        finally:
            pipeline.close()

    def _do(self, job: Command, pipeline: Pipeline) -> None:
        self._busy_since = time.monotonic()
        try:
            job(pipeline)
        except Exception as error:  # noqa: BLE001 - reported by the handler; the robot goes on
            self._handler.failed(pipeline, error)
        finally:
            self._busy_since = None

    def _next(self) -> Command | None:
        with self._changed:
            while True:
                if self._commands:
                    return self._commands.popleft()
                if self._stopping:
                    return None
                if self._active and self._message is not None:
                    return self._take_frame()
                patience = self._patience() if self._active else None
                if patience is not None and patience <= 0.0:
                    self._silent_since = time.monotonic()
                    return self._handler.silence
                self._changed.wait(patience)

    def _patience(self) -> float:
        return self._silent_since + self.stale_timeout_s - time.monotonic()

    def _take_frame(self) -> Command:
        message, self._message = self._message, None

        def job(pipeline: Pipeline) -> None:
            taken, now = self._handler.frame(pipeline, message), time.monotonic()
            if taken is Taken.ASSESSED:
                self._assessed_at = now
            # Stamps that hardly advance make no frame due: a stream of those is silence, too.
            believed_s = max(self.stale_timeout_s, pipeline.settings.longest_step_s)
            if taken is Taken.PASSED_OVER and now - self._assessed_at >= believed_s:
                taken = Taken.NOTHING
            if taken is not Taken.NOTHING:
                self._silent_since = now

        return job
