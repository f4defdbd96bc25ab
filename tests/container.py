"""The Dockerfile's own steps in a bare Debian: `python -m tests.container FOLDER`, where there is no Docker.

The folder becomes Debian's root, made by mmdebstrap; one that is there is used again. Needs root, mmdebstrap and unshare. Takes
minutes. At the end the program has run as the Dockerfile's user with everything read-only but the volume, its health check has
passed, and SIGTERM has ended it.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.servers import ROOT
from tests.test_container import of, steps

HOST_FILES = ("etc/resolv.conf", "etc/hosts", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt")
"""How this machine reaches a package index."""
IMAGE = {"PATH": "/opt/python/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""As in the image of Python, `python` and `pip` come first."""
WITHIN_S = 120
ENTER = """
set -e
root=$1; volume=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$root$volume" "$root$volume"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
[ -z "$READ_ONLY" ] || mount -o remount,bind,ro "$root"
exec "$@"
"""


class Container:
    """A Debian root in which commands run with what the Dockerfile has said so far."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = dict(IMAGE)
        self.folder = "/"
        self.user = "0"
        self.volume = of("VOLUME")[0]

    def command(self, words: list[str], *, read_only: bool = False) -> list[str]:
        (self.root / self.volume.strip("/")).mkdir(exist_ok=True)
        variables = [f"{name}={value}" for name, value in self.env.items()]
        inside = ["env", "-i", f"--chdir={self.folder}", *variables, *words]
        entered = ["chroot", f"--userspec={self.user}:{self.user}", str(self.root), *inside]
        view = ["env", f"READ_ONLY={'yes' if read_only else ''}", "unshare", "--mount", "bash", "-c", ENTER, "enter"]
        return [*view, str(self.root), self.volume, *entered]

    def runs(self, words: list[str]) -> None:
        subprocess.run(self.command(words), check=True)

    def takes(self, instruction: str, rest: str) -> None:
        """Do one step of the Dockerfile."""
        if instruction == "ENV":
            self.env |= dict(pair.split("=", 1) for pair in rest.split())
        elif instruction == "WORKDIR":
            self.folder = rest
            (self.root / rest.strip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction == "RUN":
            self.runs(["sh", "-c", rest])
        elif instruction == "USER":
            self.user = rest
        elif instruction == "COPY":
            *sources, to = rest.split()
            for source in sources:
                target = self.root / self.folder.strip("/") / to
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__", "screenshots"))
                else:
                    shutil.copy(ROOT / source, target)


def make(root: Path) -> None:
    """Debian with its Python, as it was before the first step."""
    if not root.exists():
        packages = "--include=python3,python3-venv,ca-certificates"
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", str(root)], check=True)
    for name in HOST_FILES:
        if Path("/", name).exists():
            shutil.copy(Path("/", name), root / name)
    if not (root / "opt/python").exists():
        subprocess.run(["chroot", str(root), "python3", "-m", "venv", "/opt/python"], check=True)
    subprocess.run(["chroot", str(root), "sh", "-c", "userdel dreamina 2>/dev/null; rm -rf /app /data"], check=False)


def main(root: Path) -> str | None:
    make(root)
    container = Container(root)
    for instruction, rest in steps():
        print(f"{instruction} {rest[:100]}", flush=True)
        container.takes(instruction, rest)
    check = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    process = subprocess.Popen(container.command(json.loads(of("CMD")[0]), read_only=True))
    end = time.monotonic() + WITHIN_S
    healthy = False
    while not healthy and process.poll() is None and time.monotonic() < end:
        healthy = subprocess.run(container.command(check), stderr=subprocess.DEVNULL).returncode == 0
        time.sleep(0.5)
    process.terminate()
    code = process.wait(WITHIN_S)
    print(f"healthy: {healthy}; ended with {code}; in {container.volume}: {sorted(os.listdir(root / 'data'))}")
    return None if healthy and code == 0 else "The container does not work."


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"Usage: python -m tests.container {shlex.quote('FOLDER')}")
    sys.exit(main(Path(sys.argv[1]).absolute()))
