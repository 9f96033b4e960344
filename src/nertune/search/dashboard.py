"""The Optuna dashboard over a copy of Optuna's view of the record, so that nothing it does reaches the record."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.storages import RDBStorage

from nertune.results.database import META, sqlite_path, storage_url

OPTUNA_STUDIES = "studies"  # Optuna's table of them
LOOKING = ("GET", "HEAD")
# Nothing leaves this machine: the pages may talk to this server only.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
READ_ONLY = b'{"reason": "This is a copy to look at; nertune keeps the record."}'

Answer = Iterable[bytes]
App = Callable[[dict[str, Any], Callable[..., Any]], Answer]


def copy_view(storage: str, *, path: Path) -> bool:
    """Copy Optuna's studies in a record into a SQLite file; whether there are any."""
    source = sqlite_path(storage)
    if source is None:
        return _copy_studies(storage_url(storage), path=path)
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as record:
        names = {name for (name,) in record.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if OPTUNA_STUDIES not in names:
            return False
        with closing(sqlite3.connect(path)) as copy:
            record.backup(copy)
            for table in reversed(META.sorted_tables):  # the dashboard has no use for them
                copy.execute(f"DROP TABLE IF EXISTS {table.name}")
            copy.commit()
            return bool(copy.execute(f"SELECT count(*) FROM {OPTUNA_STUDIES}").fetchone()[0])


def _copy_studies(url: str, *, path: Path) -> bool:
    source, target = RDBStorage(url), RDBStorage(f"sqlite:///{path}")
    names = optuna.get_all_study_names(source)
    for name in names:
        optuna.copy_study(from_study_name=name, from_storage=source, to_storage=target)
    source.engine.dispose()
    target.engine.dispose()
    return bool(names)


class DashboardServer(ThreadingMixIn, WSGIServer):
    """A request a thread; none keeps the command from ending."""

    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    """Requests are no news."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ARG002 -- the handler's interface
        return


def make_dashboard(path: Path, *, host: str, port: int) -> WSGIServer:
    """A server of the dashboard over a copy; `serve_forever` serves it."""
    from optuna_dashboard import wsgi

    app = looked_at_only(wsgi(RDBStorage(f"sqlite:///{path}")))
    return make_server(host, port, app, server_class=DashboardServer, handler_class=QuietHandler)


def looked_at_only(app: App) -> App:
    """The application without its changing requests, told to the browser as one that talks to this server only."""

    def closed_app(environ: dict[str, Any], start: Callable[..., Any]) -> Answer:
        def start_with_policy(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start(status, [*headers, ("Content-Security-Policy", POLICY)], *more)

        if environ["REQUEST_METHOD"] not in LOOKING:
            start_with_policy("405 Method Not Allowed", [("Content-Type", "application/json")])
            return [READ_ONLY]
        return app(environ, start_with_policy)

    return closed_app
