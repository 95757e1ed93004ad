"""A Jupyter server without the pause of Nagle's algorithm on its way to the page.

jupyter_server leaves that algorithm on: a small message, such as the widget's answer, waits up to
40 ms for the page's acknowledgement of the one before. Two frames in flight hide the pause; this
removes it. To use it, start the server so::

    jupyter lab --ServerApp.kernel_websocket_connection_class=\
affectkit.widgets.low_latency.LowLatencyConnection
"""

from __future__ import annotations

import asyncio

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class LowLatencyConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's own connection of a page to a kernel, with TCP_NODELAY."""

    def connect(self) -> asyncio.Future[None] | None:
        """Connect, and send small messages at once from then on."""
        connected = super().connect()
        handler = self.websocket_handler
        if handler.ws_connection is not None:  # it may be gone already
            handler.set_nodelay(True)
        return connected
