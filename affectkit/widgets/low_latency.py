"""A Jupyter server without the pause of Nagle's algorithm on its way to the page.

jupyter_server leaves that algorithm on: a small message, such as the widget's answer, waits up to
40 ms for the page's acknowledgement of the one before. This is an extension of the server that
turns it off. Installing affectkit beside the server switches the extension on
(`etc/jupyter/jupyter_server_config.d/affectkit.json`); to have it off::

    jupyter server extension disable affectkit.widgets.low_latency

Voila has no such extensions, but takes the class on its command line::

    voila NOTEBOOK --Voila.kernel_websocket_connection_class=\
affectkit.widgets.low_latency.LowLatencyConnection
"""

from __future__ import annotations

import asyncio

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

_SETTING = "kernel_websocket_connection_class"


class LowLatencyConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's own connection of a page to a kernel, with TCP_NODELAY."""

    def connect(self) -> asyncio.Future[None] | None:
        """Connect, and send small messages at once from then on."""
        connected = super().connect()
        handler = self.websocket_handler
        if handler.ws_connection is not None:  # it may be gone already
            handler.set_nodelay(True)
        return connected


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "affectkit.widgets.low_latency"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Take the place of Jupyter's own connection; one that somebody chose stays (a gateway's)."""
    settings = server.web_app.settings
    if settings.get(_SETTING) is ZMQChannelsWebsocketConnection:
        settings[_SETTING] = LowLatencyConnection
