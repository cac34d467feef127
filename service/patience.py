"""Patience: how long a render may stand still at one backend, and the operator's command that restarts its server."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from service.job import Hold
from service.pursuit import Pursuit
from service.timing import LEAST_PATIENCE_S, Timing

LOG = logging.getLogger(__name__)

#: What is in trouble is tried again after these, the last one over and over.
_GAPS_S = (0.5, 1.0, 2.0, 5.0)
#: A command that restarts a server is given this long, and isn't run again for longer than that.
_RESTART_S = 120.0
_RESTART_GAP_S = 600.0


def gap_s(tries: int) -> float:
    """Return for how long to wait after so many tries in vain before this one."""
    return _GAPS_S[min(tries, len(_GAPS_S) - 1)]


@dataclass(frozen=True)
class Habits:
    """What a lane is told of its backend by the configuration."""

    move_after_s: float = 1800.0
    #: The least time that a render may stand still.
    stall_s: float = LEAST_PATIENCE_S
    restart_command: tuple[str, ...] = ()
    #: Say why nothing new is to be sent there now: drained, outside its window; None where it may be.
    resting: Callable[[], Hold | None] = lambda: None


class Patience:
    """One backend's patience; used by its lane's thread alone."""

    def __init__(
        self,
        name: str,
        habits: Habits,
        timing: Timing,
        monotonic: Callable[[], float],
        beside: Callable[..., None],
    ) -> None:
        """`beside` does something on another thread than the lane's."""
        self._name = name
        self._habits = habits
        self._timing = timing
        self._monotonic = monotonic
        self._beside = beside
        #: A fixed patience in place of what was learnt, in seconds.
        self.fixed_s: float | None = None
        self._restarted_s = float("-inf")

    def of(self, pursuit: Pursuit) -> float:
        """Return for how many seconds a prompt may stand still where it is now."""
        if self.fixed_s is not None:
            return self.fixed_s
        if not pursuit.run.started:
            # It is said to run and no node has begun: the server's worker is dead.
            return self._habits.stall_s
        return max(self._habits.stall_s, self._timing.patience_s(pursuit.job, pursuit.render, pursuit.node))

    def restart(self) -> None:
        """Run the operator's command that restarts the server, where there is one; not twice within ten minutes."""
        now = self._monotonic()
        if self._habits.restart_command and now - self._restarted_s >= _RESTART_GAP_S:
            self._restarted_s = now
            LOG.warning("%s renders nothing and lets go of nothing: its restart command is run", self._name)
            self._beside(_run_command, self._name, self._habits.restart_command)


def _run_command(name: str, command: tuple[str, ...]) -> None:
    try:
        subprocess.run(command, timeout=_RESTART_S, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    except (OSError, subprocess.SubprocessError) as trouble:
        LOG.warning("%s: its restart command failed: %s", name, trouble)
