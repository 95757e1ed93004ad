"""JupyterLab on this machine and Chromium with a camera of drawn frames, for tests and benchmarks.

Everything that they write goes into folders that are removed again. As a script it takes the
README's picture of the camera widget, with the drawn sample clip::

    python benchmarks/lab_browser.py data_cards/camera_widget.webp
"""

from __future__ import annotations

import argparse
import functools
import http.server
import io
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import nbformat
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, sync_playwright

START_SECONDS = 120
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)
FAKE_CAMERA = "--use-fake-device-for-media-stream"
ALLOW, DENY = "--use-fake-ui-for-media-stream", "--deny-permission-prompts"

CAMERA_CELL = """from affectkit.widgets import AffectCamera

camera = AffectCamera()
camera"""
EXPRESSION = "Surprise"
"""What the picture shows."""

ROUNDS = 2
"""The clip has passed so often, so that the trail is long and the times are those of a run."""


def find_chromium() -> str | None:
    """Give the path of Chromium: that in the variable CHROMIUM, or an installed one, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def need_chromium() -> str:
    """Give the path of Chromium; FileNotFoundError where there is none."""
    found = find_chromium()
    if found is None:
        raise FileNotFoundError(
            "needs Chromium: apt-get install chromium, or name it in the variable CHROMIUM"
        )
    return found


@dataclass(frozen=True)
class LabServer:
    """A running JupyterLab: where, with which token, on which folder, as which process."""

    url: str
    token: str
    folder: Path
    process: subprocess.Popen


@contextmanager
def lab_server(folder: Path, options: Sequence[str] = ()) -> Iterator[LabServer]:
    """Run JupyterLab on the loopback interface, with settings of its own."""
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="affectkit-lab-") as name:
        state = Path(name)
        settings = state / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = '{"fetchNews": "false", "checkForUpdates": false}'
        (settings / "notification.jupyterlab-settings").write_text(quiet)
        command = ["jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
        command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
        command += [f"--IdentityProvider.token={token}", "--ServerApp.allow_remote_access=True"]
        command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
        command += [f"--LabApp.workspaces_dir={state / 'workspaces'}"]
        command += [f"--LabApp.user_settings_dir={state / 'settings'}", *options]
        with _running(command, state, folder, f"api/status?token={token}") as (url, process):
            yield LabServer(url, token, folder, process)


@contextmanager
def voila_server(notebook: Path) -> Iterator[str]:
    """Show a notebook as an app; gives its address."""
    with tempfile.TemporaryDirectory(prefix="affectkit-voila-") as name:
        command = ["voila", str(notebook), "--no-browser", "--Voila.ip=127.0.0.1"]
        with _running(command, Path(name), notebook.parent, "voila/static/") as (url, _):
            yield url


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def folder_server(folder: Path) -> Iterator[str]:
    """Serve a folder's files, as any web host does; gives its address."""
    handler = functools.partial(_QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@contextmanager
def _running(
    command: Sequence[str], state: Path, folder: Path, path: str
) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run a server of Jupyter's until it answers, and end it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = os.environ | {place: str(state / place.lower()) for place in places}
    url = f"http://127.0.0.1:{port}"
    with (state / "server.txt").open("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, f"--port={port}"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        try:
            _wait_for(f"{url}/{path}", process, output.name)
            yield url, process
        finally:
            _end(process)


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


def _wait_for(address: str, process: subprocess.Popen, output: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except urllib.error.HTTPError:  # an answer, too
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the server has not started:\n{Path(output).read_text()[-3000:]}")


@contextmanager
def chromium(options: Sequence[str] = ()) -> Iterator[Browser]:
    """Run Chromium without a window."""
    with sync_playwright() as playwright, launch(playwright.chromium, options) as browser:
        yield browser


def launch(kind: BrowserType, options: Sequence[str] = ()) -> Browser:
    """Start a Chromium, another beside a running one with `browser.browser_type`; close it."""
    arguments = [*FLAGS, *options]
    return kind.launch(executable_path=need_chromium(), headless=True, args=arguments)


@contextmanager
def undebugged_chromium(options: Sequence[str] = ()) -> Iterator[RunningChromium]:
    """Run a Chromium that no debugger watches, unless `RunningChromium.page` is used."""
    with tempfile.TemporaryDirectory(prefix="affectkit-chromium-") as name:
        command = [need_chromium(), "--headless=new", *FLAGS, *options]
        command += ["--remote-debugging-port=0", f"--user-data-dir={name}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = Path(name) / "DevToolsActivePort"
            end = time.monotonic() + START_SECONDS
            while not (port.is_file() and port.read_text().count("\n")):
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError("Chromium has not started")
                time.sleep(0.1)
            yield RunningChromium(process, f"http://127.0.0.1:{port.read_text().split()[0]}")
        finally:
            _end(process)


@dataclass(frozen=True)
class RunningChromium:
    """A Chromium: its process, and where a debugger may attach."""

    process: subprocess.Popen
    address: str

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Attach to its page for a while.

        An attached Playwright is told of every frame on its way, which takes time and memory.
        """
        with sync_playwright() as playwright:
            browser = playwright.chromium.connect_over_cdp(self.address)
            page = browser.contexts[0].pages[0]
            page.set_default_timeout(1000 * START_SECONDS)
            yield page
            browser.close()


def new_context(browser: Browser, permissions: Sequence[str] = ("camera",)) -> BrowserContext:
    """Open a window of its own, that may use the camera."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, permissions=list(permissions)
    )
    context.set_default_timeout(1000 * START_SECONDS)
    return context


def write_film(path: Path, frames: Iterable[np.ndarray], rate: int = 30) -> Path:
    """Write RGB frames as the uncompressed YUV4MPEG2 that Chromium's fake camera plays."""
    with path.open("wb") as file:
        for number, frame in enumerate(frames):
            if not number:
                height, width = frame.shape[:2]
                header = f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n"
                file.write(header.encode())
            file.write(b"FRAME\n")
            file.write(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def write_notebook(path: Path, cells: Sequence[str]) -> Path:
    """Write a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
    )
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, path)
    return path


class LabNotebook:
    """A notebook that is open in a page, by what JupyterLab's own commands do.

    `name` is its path in the server's folder (if empty: the one that the page shows), and `host`
    another name of this machine.
    """

    def __init__(self, page: Page, server: LabServer, name: str = "", host: str = "") -> None:
        self.page = page
        if not name:
            return
        url = server.url.replace("127.0.0.1", host) if host else server.url
        page.goto(f"{url}/doc/tree/{name}?token={server.token}&reset")
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the notebook is shown and its kernel is idle."""
        self.page.wait_for_function(
            """() => {
              const widget = window.jupyterapp && window.jupyterapp.shell.currentWidget;
              const session = widget && widget.context && widget.context.sessionContext.session;
              return document.querySelector('.jp-Notebook') && session && session.kernel
                && session.kernel.status === 'idle';
            }"""
        )

    def command(self, name: str) -> None:
        """Run a command of JupyterLab and wait for its end."""
        self.page.evaluate(
            "name => window.jupyterapp.commands.execute(name).then(() => null)", name
        )

    def start_cell(self, number: int) -> None:
        """Run a cell, and do not wait."""
        self.page.evaluate(
            """number => {
              window.jupyterapp.shell.currentWidget.content.activeCellIndex = number;
              window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            number,
        )

    def run_cell(self, number: int) -> None:
        """Run a cell and wait for its end."""
        self.page.evaluate(
            """number => {
              window.jupyterapp.shell.currentWidget.content.activeCellIndex = number;
              return window.jupyterapp.commands.execute('notebook:run-cell').then(() => null);
            }""",
            number,
        )

    def kernel(self, action: str) -> None:
        """Restart, interrupt or shut down the kernel, as `action` says, without waiting."""
        self.page.evaluate(
            """action => {
              const context = window.jupyterapp.shell.currentWidget.context.sessionContext;
              context.session.kernel[action]();
            }""",
            action,
        )

    def execute(self, code: str) -> str:
        """Run code in the notebook's kernel, in no cell, and give what it prints."""
        return self.page.evaluate(
            """async code => {
              const context = window.jupyterapp.shell.currentWidget.context.sessionContext;
              const future = context.session.kernel.requestExecute({code, store_history: false});
              let output = '';
              future.onIOPub = message => {
                if (message.content.name === 'stdout') output += message.content.text;
                if (message.header.msg_type === 'error') {
                  output += message.content.traceback.join('\\n');
                }
              };
              await future.done;
              return output;
            }""",
            code,
        )


def photograph(path: Path) -> None:
    """Play the clip, wait for the expression, and write what JupyterLab shows."""
    with tempfile.TemporaryDirectory() as name:
        write_notebook(Path(name) / "camera.ipynb", [CAMERA_CELL])
        with lab_server(Path(name)) as server, chromium() as browser:
            page = new_context(browser).new_page()
            notebook = LabNotebook(page, server, "camera.ipynb")
            notebook.run_cell(0)
            page.get_by_role("button", name="Play the sample clip").click()
            for _ in range(ROUNDS):
                for expression in ("Neutral", EXPRESSION):
                    page.wait_for_function(
                        "name => document.querySelector('.affect-camera').dataset.expression"
                        " === name",
                        arg=expression,
                    )
            page.wait_for_function(  # the strong expression after the weak one
                "document.querySelector('.affect-camera .answer').textContent.match(/\\d+/) >= 85"
            )
            page.get_by_role("button", name="Freeze").click()
            page.wait_for_timeout(300)
            root = page.locator(".affect-camera")
            box = root.bounding_box()
            clip = {"x": box["x"] - 6, "y": box["y"], "width": 970, "height": box["height"]}
            picture = page.screenshot(clip=clip)
    Image.open(io.BytesIO(picture)).convert("RGB").save(path, quality=90, method=6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    photograph(parser.parse_args().path)
