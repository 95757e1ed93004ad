"""The extension of the Jupyter server; in JupyterLab it is tried by tests/browser."""

from types import SimpleNamespace

import pytest
from jupyter_server.gateway.connections import GatewayWebSocketConnection
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from affectkit.widgets.low_latency import LowLatencyConnection, _load_jupyter_server_extension


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (ZMQChannelsWebsocketConnection, LowLatencyConnection),
        (GatewayWebSocketConnection, GatewayWebSocketConnection),
    ],
)
def test_it_takes_the_place_of_jupyter_s_own_connection_only(chosen, left):
    settings = {"kernel_websocket_connection_class": chosen}
    _load_jupyter_server_extension(SimpleNamespace(web_app=SimpleNamespace(settings=settings)))
    assert settings == {"kernel_websocket_connection_class": left}
