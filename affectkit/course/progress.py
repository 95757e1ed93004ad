"""What `affectkit course` shows while it runs."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from affectkit.course.notebooks import COMPLETED, NotebookRun


class CourseProgress:
    """A bar over so many notebooks and one over the cells; plain lines where there is no terminal.

    If not `shown`, nothing at all.
    """

    def __init__(self, notebooks: int, shown: bool = True) -> None:
        self._console = Console(quiet=not shown)
        self._bars = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not (shown and self._console.is_terminal),
        )
        self._course = self._bars.add_task("course", total=notebooks, unit="notebooks")

    def __enter__(self) -> CourseProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start_notebook(self, name: str) -> None:
        """Open the bar of one notebook."""
        if not self._bars.disable:
            self._cells = self._bars.add_task(name, total=None, unit="cells")
        else:
            self._console.print(f"{name} ...")

    def cell(self, done: int, total: int) -> None:
        """Move the bar of the running notebook."""
        if not self._bars.disable:
            self._bars.update(self._cells, completed=done, total=total)

    def end_notebook(self, run: NotebookRun) -> None:
        """Close the bar of the notebook and print how it went."""
        if not self._bars.disable:
            self._bars.remove_task(self._cells)
            self._bars.advance(self._course)
        mark = "[green]done[/green]  " if run.status == COMPLETED else "[bold red]failed[/bold red]"
        self._console.print(f"{mark} {run.name:<28} {run.seconds:6.1f} s", highlight=False)
