"""The container's files and the script for Windows, as far as they can be checked without Docker and Windows."""

import json
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from tree_sitter import Language, Node, Parser
from tree_sitter_powershell import language

from dreamina_ui.settings import Settings
from dreamina_ui.web.guard import HEALTH
from tests.servers import ROOT
from tests.test_docs import names_read

DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "compose.yaml"
NAMES_OF_OTHERS = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PIP_NO_CACHE_DIR"}


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with what follows it."""
    text = re.sub(r"^#.*\n|\\\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    pairs = (line.split(" ", 1) for line in text.splitlines() if line.strip())
    return [(word, rest.strip()) for word, rest in pairs]


def of(instruction: str) -> list[str]:
    return [rest for word, rest in steps() if word == instruction]


def test_each_file_that_is_copied_is_sent() -> None:
    """Each source of a COPY exists and is not left out by .dockerignore; nothing else is sent, above all no .env."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    sources = {source for rest in of("COPY") for source in rest.split()[:-1]}
    assert sources == sent
    assert all((ROOT / source).exists() for source in sources)
    assert not any(fnmatch(".env", name) for name in sent)


def test_the_program_is_not_root_and_writes_to_one_volume() -> None:
    """The last user is a number other than 0; the volume is the data folder, and settings exist by their names."""
    assert of("USER")[-1].isdigit()
    assert int(of("USER")[-1]) > 0
    env = dict(pair.split("=", 1) for rest in of("ENV") for pair in rest.split())
    assert set(env) - NAMES_OF_OTHERS <= names_read()
    settings = Settings.from_env(env)
    assert [str(settings.data_dir)] == of("VOLUME")
    assert (settings.server_name, [str(settings.server_port)]) == ("0.0.0.0", of("EXPOSE"))
    assert json.loads(of("CMD")[0]) == ["python", "app.py"]
    [version] = re.findall(r"python:(3\.\d+)-slim", of("FROM")[0])
    assert f'requires-python = ">={version}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_health_check_asks_what_is_answered() -> None:
    """It is a program that compiles, and asks for the guard's path."""
    [check] = of("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    compile(command[2], "healthcheck", "exec")
    assert command[:2] == ["python", "-c"]
    assert f"'{HEALTH}'" in command[2]


def test_the_compose_file_sets_what_exists() -> None:
    """Its variables are settings, its volumes are declared, its files exist, and what waits waits for something."""
    held = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    services = held["services"]
    for name in ("one", "two"):
        studio = services[name]
        assert set(studio["environment"]) <= names_read()
        assert studio["read_only"] is True
        assert studio["volumes"] == [f"videos:{of('VOLUME')[0]}"]
    assert services["one"]["environment"] == services["two"]["environment"]
    filled = {"DREAMINA_SECRET": "x" * 32, "DREAMINA_ALLOWED_HOSTS": "localhost", "DREAMINA_DATA_DIR": "/data"}
    url = services["one"]["environment"]["DREAMINA_DATABASE_URL"]
    Settings.from_env({**filled, "DREAMINA_DATABASE_URL": re.sub(r"\$\{.*?\}", "word", url)})
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in held["volumes"] or (ROOT / source).is_file(), source


@pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="nginx is not here")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    """What the compose file makes of docs/nginx.conf leads to both replicas, and is correct."""
    command = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["nginx"]["command"][2]
    [edits] = re.findall(r"^sed (.*?) /etc/nginx/replicas.conf", command)
    source = str(ROOT / "docs" / "nginx.conf")
    made = subprocess.run(["sed", *edits.split(), source], capture_output=True, text=True, check=True).stdout
    assert made.count("server one:7860") == made.count("server two:7860") == 2
    assert "listen 7860;" in made
    # Their names are only known among the containers.
    local = re.sub(r"server (?:one|two):7860", "server 127.0.0.1:7860", made)
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\n{local}")
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert nginx
    tried = [nginx, "-t", "-e", str(tmp_path / "errors"), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(tried, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def faults(node: Node) -> list[str]:
    own = [f"{node.start_point}: {(node.text or b'')[:60]!r}"] if node.type == "ERROR" or node.is_missing else []
    return own + [fault for child in node.children for fault in faults(child)]


def test_the_script_for_windows_is_powershell() -> None:
    """It has no mistake in its grammar; one that is put in is found."""
    parser = Parser(Language(language()))
    source = (ROOT / "scripts" / "run.ps1").read_bytes()
    assert faults(parser.parse(source).root_node) == []
    assert faults(parser.parse(source.replace(b"if (", b"if ", 1)).root_node)


def test_the_script_for_windows_takes_the_same_steps() -> None:
    """Both ask for the same Python, install the same file the same way, remember it in the same place, and start the same."""
    windows = (ROOT / "scripts" / "run.ps1").read_text(encoding="utf-8")
    others = "\n".join((ROOT / "scripts" / name).read_text(encoding="utf-8") for name in ("run", "install"))
    for text in (windows, others):
        places = [
            text.index("-m venv .venv"),
            text.index("-m pip install --quiet --disable-pip-version-check"),
        ]
        assert places == sorted(places)
        for shared in (
            "https://www.python.org",
            "3.11 or newer is needed and was not found",
            "(3, 11)",
            "once; takes a minute or two",
            "requirements.txt",
            "installed-",
            "app.py",
        ):
            assert shared in text, shared
    assert windows.index("pip install") < windows.index("& $python app.py @args")
    assert windows.rstrip().endswith("exit $LASTEXITCODE")
