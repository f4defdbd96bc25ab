"""Proxies and certificates as the environment names them: which is used for what, and what cannot be used."""

from pathlib import Path

import pytest

from dreamina_ui.config.network import Network, Proxy, drop_unusable
from dreamina_ui.errors import SettingError
from dreamina_ui.settings import Settings
from tests.proxies import authority_file

API = "https://model-api.runcomfy.net/v1"
PLAIN = "http://videos.example.com/a.mp4"
PAID = {"RUNCOMFY_API_TOKEN": "rc-key-0123456789"}


@pytest.mark.parametrize(
    ("env", "for_https", "for_http"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": "http://a:3128"}, "http://a:3128", None),
        ({"HTTP_PROXY": "a:3128"}, None, "http://a:3128"),
        ({"ALL_PROXY": "socks5h://a"}, "socks5h://a:1080", "socks5h://a:1080"),
        ({"all_proxy": "socks5://a:9", "https_proxy": "https://b"}, "https://b:443", "socks5://a:9"),
        ({"HTTPS_PROXY": "http://upper", "https_proxy": "http://lower/"}, "http://lower:80", None),
        ({"HTTPS_PROXY": "http://upper", "https_proxy": " "}, "http://upper:80", None),
        ({"HTTPS_PROXY": "HTTP://[2001:db8::1]:3128"}, "http://[2001:db8::1]:3128", None),
        ({"ALL_PROXY": "socks://127.0.0.1:1080/"}, "socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ({"NO_PROXY": "*", "ALL_PROXY": "http://a"}, None, None),
    ],
)
def test_which_proxy(env: dict[str, str], for_https: str | None, for_http: str | None) -> None:
    """One for each scheme, one for both, and the lower-case name first; an empty value is none."""
    network = Network.from_env(env)
    for url, expected in ((API, for_https), (PLAIN, for_http)):
        proxy = network.proxy_of(url)
        assert (proxy.url if proxy else None) == expected


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_direct"),
    [
        ("example.com", "https://example.com/", True),
        ("example.com", "https://a.example.com/", True),
        (".example.com", "https://a.example.com/", True),
        ("*.Example.com", "https://A.example.com/", True),
        ("example.com", "https://notexample.com/", False),
        ("ample.com, other.net", "https://example.com/", False),
        ("other.net example.com", "https://example.com/", True),
        ("example.com:8443", "https://example.com/", False),
        ("example.com:8443", "https://example.com:8443/", True),
        ("example.com:443", "https://example.com/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("2001:db8::/32", "https://[2001:db8::7]/", True),
        ("[2001:db8::7]:443", "https://[2001:db8::7]/", True),
        ("192.0.2.1", "https://192.0.2.1/", True),
        ("", "https://localhost:1/", True),
        ("", "https://studio.localhost/", True),
        ("", "https://127.8.8.8/", True),
        ("", "https://[::1]/", True),
        ("", "https://10.0.0.1/", False),
        (",, ,", "https://example.com/", False),
    ],
)
def test_no_proxy(no_proxy: str, url: str, is_direct: bool) -> None:
    """Names with their subdomains, numbers, networks and ports; and this machine is never asked for at a proxy."""
    network = Network.from_env({"ALL_PROXY": "http://proxy.example.org", "no_proxy": no_proxy})
    assert (network.proxy_of(url) is None) is is_direct


def test_a_login_is_taken_out_of_the_address() -> None:
    """Name and password are decoded, may hold an @, and stand in no text of the settings."""
    for userinfo, auth in (
        ("ann:p%40ss%2Fword", ("ann", "p@ss/word")),
        ("ann:p@ssword", ("ann", "p@ssword")),
        ("ann", ("ann", "")),
    ):
        network = Network.from_env({"HTTPS_PROXY": f"http://{userinfo}@proxy.example.com:3128"})
        assert network.https_proxy == Proxy("http://proxy.example.com:3128", auth)
        assert not auth[1] or auth[1] not in repr(network)


BROKEN = [
    ("HTTP_PROXY", "foo bar"),
    ("HTTPS_PROXY", "socks4://proxy:1080"),
    ("ALL_PROXY", "ftp://proxy"),
    ("all_proxy", "://"),
    ("https_proxy", "http://proxy:99999"),
    ("HTTPS_PROXY", "http://proxy:port"),
    ("HTTPS_PROXY", "http://proxy:3128/path"),
    ("HTTPS_PROXY", "http://ann:secret-canary/1@"),
    ("HTTPS_PROXY", "http://ann:secret-canary@[proxy"),
    ("HTTPS_PROXY", "http://ann:secret-canary%0d%0a@proxy"),
    ("HTTPS_PROXY", f"socks5://ann:{'x' * 256}@proxy"),
    ("SSL_CERT_FILE", "/nowhere/authority.pem"),
    ("SSL_CERT_FILE", __file__),
    ("SSL_CERT_DIR", "/nowhere"),
]


@pytest.mark.parametrize(("name", "value"), BROKEN)
def test_what_cannot_be_used(name: str, value: str) -> None:
    """Where videos are paid, one line names it and shows no password; the simulator starts, and libraries do not see it."""
    with pytest.raises(SettingError) as caught:
        Settings.from_env({**PAID, name: value})
    told = str(caught.value)
    assert told.startswith(f"{name} is ")
    assert "\n" not in told
    assert "canary" not in told
    assert Settings.from_env({name: value}).network == Network()
    env = {name: value, "OTHER": "x"}
    [fault] = drop_unusable(env)
    assert (str(fault), env) == (told, {"OTHER": "x"})


def test_what_can_be_used_stays(tmp_path: Path) -> None:
    """Nothing is taken from libraries that they can use."""
    env = {"HTTPS_PROXY": "socks5h://a:1", "NO_PROXY": "x", "SSL_CERT_FILE": str(authority_file(tmp_path))}
    kept = dict(env)
    assert drop_unusable(env) == []
    assert env == kept


@pytest.mark.parametrize(
    ("env", "by_proxy"),
    [
        ({}, True),
        ({"SPACE_ID": "ann/studio"}, False),
        ({"SPACE_ID": "ann/studio", "DREAMINA_OUTPUT_PROXY": "on"}, True),
        ({"DREAMINA_OUTPUT_PROXY": "off"}, False),
        ({"DREAMINA_OUTPUT_PROXY": "Auto"}, True),
    ],
)
def test_outputs_by_proxy(env: dict[str, str], by_proxy: bool) -> None:
    """Off by default on a Space; the API goes by the proxy in any case, and certificates hold for both."""
    certificates = "/etc" if Path("/etc").is_dir() else "."
    settings = Settings.from_env(
        {**PAID, "HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "a", "SSL_CERT_DIR": certificates, **env}
    )
    assert settings.network.proxy_of(API) == Proxy("http://proxy:1")
    assert (settings.output_network.proxy_of(API) is not None) is by_proxy
    assert settings.output_network.cert_dir == certificates
