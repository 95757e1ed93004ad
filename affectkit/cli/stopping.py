"""End a long command at a good moment when it is told to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from affectkit.cli.console import tell


class Stopped(KeyboardInterrupt):
    """The command was told to stop by a signal of this number: SIGINT (Ctrl-C) or SIGTERM."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@contextmanager
def stop_signals(message: str = "") -> Iterator[Callable[[], None]]:
    """Hold back Ctrl-C and SIGTERM within a block; a second one stops it at once.

    Gives a function to be called where the block can be left, which raises `Stopped` if it has to
    be. With a message, that is told, and the command ends with the shell's exit code (130 for
    Ctrl-C).
    """
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        if len(received) > 1:
            raise Stopped(number)

    def check() -> None:
        if received:
            raise Stopped(received[0])

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield check
    except Stopped as stopped:
        if not message:
            raise
        tell(message, error=True)
        raise typer.Exit(128 + stopped.number) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
