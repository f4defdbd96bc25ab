"""`python -m dreamina_ui.simulator`: the simulator over a real socket."""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]

CARDS = Path(__file__).resolve().parents[1] / "cards" / "bundled"


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; prints the base URL to stdout once requests are accepted."""
    options = _parser().parse_args(argv)
    if (options.quick is None) != (options.clip is None):
        _parser().error("--quick and --clip go together")
    # uvicorn raises SIGTERM again after its shutdown; as SystemExit it lets the temporary folder be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if options.folder is not None:
            _serve(options, options.folder)
        else:
            with tempfile.TemporaryDirectory(prefix="dreamina-simulator-") as folder:
                _serve(options, Path(folder))
    except KeyboardInterrupt:
        pass


def _serve(options: argparse.Namespace, folder: Path) -> None:
    import uvicorn

    from dreamina_ui.simulator.drawing.renderers import QuickRenderer
    from dreamina_ui.simulator.service import create_app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            host = f"[{options.host}]" if ":" in options.host else options.host
            print(f"http://{host}:{port}/v1", flush=True)  # noqa: T201

    paths = options.card or sorted(CARDS.glob("*.json"))
    cards: list[dict[str, Any]] = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    app = create_app(
        folder,
        cards=cards,
        token=options.token,
        slots=options.slots,
        queue_s=options.queue,
        render=None if options.quick is None else QuickRenderer(options.quick, options.clip),
        price_usd=options.price,
        price_unit=options.per,
        pricing_note=options.note,
        balance_usd=options.balance,
    )
    config = uvicorn.Config(
        app, host=options.host, port=options.port, loop="asyncio", lifespan="on", ws="none",
        log_level="warning", access_log=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    Server(config).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dreamina_ui.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700, help="0 for any free port")
    parser.add_argument("--token", help="the bearer token to require; by default none is checked")
    parser.add_argument("--folder", type=Path, help="for requests and videos; by default a temporary one")
    parser.add_argument("--slots", type=int, default=1, help="how many render at once")
    parser.add_argument("--queue", type=float, default=1.0, metavar="SECONDS", help="minimum time in the queue")
    parser.add_argument("--card", type=Path, action="append", metavar="FILE", help="a model card; repeatable")
    parser.add_argument("--quick", type=float, metavar="SECONDS", help="serve --clip after this time")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="the video for --quick")
    parser.add_argument("--price", type=float, default=0.0, metavar="USD", help="of a video; by default free")
    parser.add_argument("--per", choices=["second", "output"], default="second", help="what the price is for")
    parser.add_argument("--note", default="", metavar="TEXT", help="a pricing note: the price is no total then")
    parser.add_argument("--balance", type=float, default=20.0, metavar="USD", help="what the account begins with")
    return parser


if __name__ == "__main__":
    main()
