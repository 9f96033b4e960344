"""Aim's web UI over the runs, in a process of its own: `python -m nertune.track.aim_ui FOLDER HOST PORT`.

It is `aim up` with two additions. A Content-Security-Policy: Aim 3.29 sends no telemetry, but its page asks other
servers for a script, a font and news; nothing leaves this machine (design, section 9), and offline the page would wait.
And bookmarks of ours, see `aim_views`.
The end of standard input ends the server and its children.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import IO, Any

from nertune.track.aim_views import add_views
from nertune.track.projector import aim_environment

POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
Message = MutableMapping[str, Any]


def start_server(folder: Path, *, host: str, port: int, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """The server's process, leader of its own group; what it and Aim print goes to `output`."""
    return subprocess.Popen(
        [sys.executable, "-m", "nertune.track.aim_ui", str(folder.absolute()), host, str(port)],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=aim_environment(),
        start_new_session=True,
    )


def make_app() -> Callable[..., Awaitable[None]]:
    """Aim's web application, told to the browser as one that talks to this server only."""
    from aim.web.api import create_app

    app = create_app()
    offer_views()

    async def closed_app(scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY)]
            await send(message)

        await app(scope, receive, send_with_policy)

    return closed_app


def offer_views() -> None:
    """Add our bookmarks to the UI's database. Where it cannot be written, the UI goes on without them."""
    from aim.web.api.db import get_contexted_session

    try:
        with get_contexted_session() as session:
            add_views(session)
    except Exception:
        traceback.print_exc()


def serve(folder: str, *, host: str, port: str) -> None:
    """`aim up` on a folder whose repository exists; returns when the server ends."""
    from aim.cli.up import commands

    usual_command = commands.build_uvicorn_command

    def command_for_closed_app(_: str, **options: Any) -> list[str]:
        return [*usual_command("nertune.track.aim_ui:make_app", **options), "--factory"]

    commands.build_uvicorn_command = command_for_closed_app
    commands.up.main(["--repo", folder, "--host", host, "--port", port, "--workers", "1"], standalone_mode=False)


def end_with_input() -> None:
    """Wait for the end of standard input, then end this process and its children."""
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGTERM)


def main() -> None:
    from nertune.track.aim import open_repo

    folder, host, port = sys.argv[1:]
    threading.Thread(target=end_with_input, daemon=True).start()
    open_repo(Path(folder))
    serve(folder, host=host, port=port)


if __name__ == "__main__":
    main()
