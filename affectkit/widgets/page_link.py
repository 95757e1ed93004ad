"""What a widget's page and kernel say to each other, apart from settings."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipywidgets import Widget


class PageLink:
    """Sends messages to the pages that show a widget, and knows which of them owns the camera.

    Every view of a widget has a session of its own, a random text; the newest view that starts a
    source becomes the owner, and the one before is told to stop.

    From 7.4 on, ipykernel hands a page's messages to the shell that its own last message came from,
    not to the one that the page names. After one out of a running cell, frames would wait for the
    end of that cell, so everything is sent in the context of the page's last message, whichever
    thread sends it.
    """

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._context: contextvars.Context | None = None
        self._beside = False
        self._sending = threading.Lock()
        self.owner: str | None = None
        self.newest: str | None = None
        """The session of the view that was opened last."""
        self.seen = threading.Event()
        """Set as soon as a page knows of the widget."""

    def remember_context(self) -> None:
        """Keep the context of the message that is being handled, for what is sent later.

        One in the main thread, where cells run, is of use only as long as there is no other.
        """
        beside = threading.current_thread() is not threading.main_thread()
        if beside or not self._beside:
            self._context, self._beside = contextvars.copy_context(), beside
        self.seen.set()

    def follow_page(self) -> None:
        """After the widget was made in a cell: do not let the page's first message wait for it."""
        vars(self._widget.comm).pop("_reply_subshell_id", None)  # no such thing in other kernels

    def send(self, kind: str, buffers: Sequence[bytes] = (), **content: object) -> None:
        """Send a message of the `kind` that camera.js switches on, with binary parts.

        The content is JSON-able; its `session` names the view that is meant, None all of them.
        """
        message = {"type": kind, **content}
        with self._sending:
            context = self._context
            run = context.copy().run if context is not None else _call
            run(self._widget.send, message, list(buffers))

    def take_over(self, session: str) -> None:
        """Make a view the owner, and tell the one before to release its camera."""
        before, self.owner = self.owner, session
        if before not in (None, session):
            self.send("stop", session=before, text="The camera moved to another view.")

    def refuse(self, session: str) -> bool:
        """Tell a view that is not the owner to stop; say whether that was so."""
        if self.owner in (None, session):
            self.owner = session
            return False
        self.send("stop", session=session, text="Another view of this widget uses the camera.")
        return True


def _call(function: object, *arguments: object) -> None:
    function(*arguments)
