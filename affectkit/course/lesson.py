"""What a lesson asks of its reader: a question whose answer is folded, the check of an exercise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def reveal(markdown: str, title: str = "Answer") -> None:
    """Show the answer to a question folded: a line to click on, the text below it.

    Parameters
    ----------
    markdown : str
        What was measured, put in words by an f-string.
    title : str
        The line that is seen before the click.
    """
    from IPython.display import Markdown, display

    display(Markdown(f"<details><summary>{title}</summary>\n\n{markdown}\n\n</details>"))


@dataclass(frozen=True)
class Verdict:
    """What `check` says: as text the points, which nbgrader reads, in a notebook the message.

    Attributes
    ----------
    points : int
        Tests that were passed before the first that was not.
    message : str
        "Right.", what is off, or that there is no answer yet.
    """

    points: int
    message: str

    def __repr__(self) -> str:
        return str(self.points)

    def _repr_markdown_(self) -> str:
        return self.message


def check(answer: object, *tests: tuple[str, Callable[[object], object]]) -> Verdict:
    """Check the answer to an exercise, a test after the other up to the first that fails.

    The last line of a check cell. It raises nothing, so that a notebook with open exercises runs to
    its end; nbgrader takes the points as partial credit.

    Parameters
    ----------
    answer : object
        What the answer cell has set, or a tuple of several; `...` is no answer yet.
    *tests : tuple of str and callable
        What to say when the test is not passed, and the test: it gets the answer and gives a truth
        value. As many as the cell has points.

    Returns
    -------
    Verdict
        Points and message.
    """
    given = answer if isinstance(answer, tuple) else (answer,)
    if any(part is ... for part in given):
        return Verdict(0, "**No answer yet.** Put yours in place of `...` in the cell above.")
    for points, (hint, passes) in enumerate(tests):
        if not passes(answer):
            return Verdict(points, f"**Not yet.** {hint}")
    return Verdict(len(tests), "**Right.**")
