"""How far a file is: a bar on a terminal, a plain line at each tenth elsewhere."""

from __future__ import annotations

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn

from service.commands.speech import printable

_UNKNOWN_STEP_BYTES = 100_000_000
#: A file of a few megabytes needs no lines between its beginning and its end.
_SHORT_BYTES = 20_000_000


class TransferLines:
    """Shows one file after another; `told` is called often and must cost little."""

    def __init__(self, *, live: bool) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            SpeedColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns) if live else None
        self._task: TaskID | None = None
        self._name = ""
        self._what = ""
        self._step = 0

    def __enter__(self) -> TransferLines:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_trouble: object) -> None:
        if self._progress:
            self._progress.stop()

    def begin(self, name: str) -> None:
        """From here on it is about this file."""
        self._name, self._what, self._step = printable(name), "", 0

    def told(self, what: str, done: int, whole: int | None) -> None:
        """Show how much of the file is done; `what` is what is done with it."""
        if self._progress is not None:
            self._show(what, done, whole)
        else:
            self._say(what, done, whole)

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        if self._progress is None:
            click.echo(printable(sentence))
        else:
            self._progress.console.print(printable(sentence), markup=False, highlight=False)

    def _show(self, what: str, done: int, whole: int | None) -> None:
        assert self._progress is not None
        if what != self._what:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(f"{what} {self._name}".replace("[", "\\["), total=whole)
            self._what = what
        assert self._task is not None
        self._progress.update(self._task, completed=done, total=whole)

    def _say(self, what: str, done: int, whole: int | None) -> None:
        if what != self._what:
            self._what, self._step = what, -1
        step = done * 10 // whole if whole else done // _UNKNOWN_STEP_BYTES
        if step == self._step or (whole is not None and whole < _SHORT_BYTES):
            return
        self._step = step
        of = f" of {size_words(whole)}" if whole else ""
        click.echo(f"{what} {self._name}: {size_words(done)}{of}")


def size_words(size: int | None) -> str:
    """Return a size for people."""
    if size is None:
        return "size not known"
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size} bytes"
