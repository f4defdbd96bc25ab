"""A real nginx in a folder of its own."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import wait_for

__all__ = ["running"]

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def running(folder: Path, configuration: str, port: int) -> Iterator[str]:
    """Nginx with this configuration, which listens on `port`. Yields its address."""
    folder.mkdir()
    own = "".join(f"{name}_temp_path {folder / name};" for name in TEMPORARY)
    text = configuration.replace("http {", f"http {{ access_log off; {own}", 1)
    (folder / "nginx.conf").write_text(text)
    # As root its workers would be another user's, who may not enter a test's folder.
    main = f"daemon off; pid {folder / 'pid'};" + (" user root;" if os.getuid() == 0 else "")
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"}
    log = folder / "log"
    command = ["nginx", "-p", str(folder), "-e", str(log), "-c", str(folder / "nginx.conf"), "-g", main]
    process = subprocess.Popen(command, env=environment)

    def listening() -> str:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            return "yes" if probe.connect_ex(("127.0.0.1", port)) == 0 else ""

    try:
        wait_for(listening)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)
