"""What commands say, and how much: text as it is, without markup, in lines the terminal breaks."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from affectkit.files.safe_text import terminal_text
from affectkit.machine import QuietTensorFlow

USER_ERROR = 2
"""Exit code when the user can mend what went wrong."""

Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Show what TensorFlow and LiteRT say, and an error's traceback."
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say only what goes wrong, and what was asked for.")
]

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)
_verbose: ContextVar[bool] = ContextVar("verbose", default=False)


def choose_loudness(verbose: bool, quiet: bool) -> None:
    """Keep what -v and -q say, also for the processes that this one starts."""
    if verbose and quiet:
        raise ValueError("expected --verbose or --quiet, got both: leave one out")
    if verbose:
        _verbose.set(True)
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
    if quiet:
        _quiet.set(True)
        os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported, which commands do later
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not any(isinstance(finder, QuietTensorFlow) for finder in sys.meta_path):
        sys.meta_path.insert(0, QuietTensorFlow())


def is_quiet() -> bool:
    """Tell whether -q was given."""
    return _quiet.get()


def with_loudness(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options -v and -q."""
    signature = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def run(verbose: bool = False, quiet: bool = False, **options: object) -> None:
        choose_loudness(verbose, quiet)
        command(**options)

    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("verbose", Verbose), ("quiet", Quiet))
    ]
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *more])
    return run


def tell(what: str | Text | Table, style: str = "", error: bool = False) -> None:
    """Print to standard output, unless -q was given, or to standard error."""
    if error or not is_quiet():
        what = Text(what, style=style) if isinstance(what, str) else what
        Console(stderr=error).print(what, soft_wrap=isinstance(what, Text))


def tell_left_out(summary: str, file: str | Path = "") -> None:
    """Print what `SkippedRows.summary` gives, and where the list of it is."""
    if summary:
        text = summary[:1].upper() + terminal_text(summary[1:])
        tell(f"{text}{f'; listed in {file}' if file else ''}", "yellow")


@contextmanager
def told_errors() -> Iterator[None]:
    """Print warnings and errors within a block, and end it with `USER_ERROR` after an error.

    What -v and -q say within the block counts to its end.
    """
    before = _quiet.set(_quiet.get()), _verbose.set(_verbose.get())
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: _tell("Note: ", "yellow", str(message))
        try:
            yield
        except BrokenPipeError:
            raise
        except (ValueError, OSError, ImportError) as error:
            if _verbose.get():
                traceback.print_exc()
            _tell("Error: ", "bold red", str(error) or type(error).__name__)
            if not _verbose.get():
                tell("`affectkit --verbose ...` shows where it arose.", "dim", error=True)
            raise typer.Exit(USER_ERROR) from error
        finally:
            _quiet.reset(before[0])
            _verbose.reset(before[1])


def _tell(label: str, style: str, message: str) -> None:
    tell(Text.assemble((label, style), terminal_text(message)), error=True)
