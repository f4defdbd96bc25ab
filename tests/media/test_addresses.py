"""Which addresses an output may come from: every hostile one goes through the library's own door, and none is fetched."""

from pathlib import Path

import pytest

from dreamina_ui.errors import OutputRefused
from dreamina_ui.media.download.addresses import read_address, why_not
from tests.outside import GOOD, HOST, OTHER, Outside, library_of, redirect

pytestmark = pytest.mark.anyio

SHARE = "0123456789abcdef0123456789abcdef"

# Refused by their text: not even a name is looked up.
WRITTEN = [
    # Other ways than https
    "http://videos.example.com/a.mp4",
    "HTTP://videos.example.com/a.mp4",
    "ws://videos.example.com/a.mp4",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "ftp://videos.example.com/a.mp4",
    "gopher://127.0.0.1:6379/_INFO",
    "javascript:alert(1)",
    "blob:https://videos.example.com/1",
    "//videos.example.com/a.mp4",
    "/etc/passwd",
    "a.mp4",
    "",
    # This machine and its network, by name
    "https://localhost/a.mp4",
    "https://LOCALHOST:8443/a.mp4",
    "https://localhost./a.mp4",
    "https://me.localhost/a.mp4",
    "https://localhost.localdomain/a.mp4",
    "https://printer.local/a.mp4",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://router.lan/a.mp4",
    "https://nas.home.arpa/a.mp4",
    "https://intranet/a.mp4",
    "https://metadata/a.mp4",
    # ... and by number
    "https://127.0.0.1/a.mp4",
    "https://127.0.0.1:7860/a.mp4",
    "https://127.8.9.10/a.mp4",
    "https://0.0.0.0/a.mp4",
    "https://0.1.2.3/a.mp4",
    "https://10.0.0.1/a.mp4",
    "https://172.16.0.1/a.mp4",
    "https://172.31.255.255/a.mp4",
    "https://192.168.1.1/a.mp4",
    "https://169.254.169.254/latest/meta-data",
    "https://169.254.170.2/v2/credentials",
    "https://168.63.129.16/machine",
    "https://100.64.0.1/a.mp4",
    "https://100.100.100.200/latest/meta-data",
    "https://192.0.0.192/opc/v2/instance",
    "https://192.0.0.9/a.mp4",
    "https://192.0.2.1/a.mp4",
    "https://192.88.99.1/a.mp4",
    "https://198.18.0.1/a.mp4",
    "https://198.19.255.255/a.mp4",
    "https://198.51.100.1/a.mp4",
    "https://203.0.113.1/a.mp4",
    "https://224.0.0.1/a.mp4",
    "https://239.255.255.250/a.mp4",
    "https://240.0.0.1/a.mp4",
    "https://255.255.255.255/a.mp4",
    "https://[::]/a.mp4",
    "https://[::1]/a.mp4",
    "https://[0:0:0:0:0:0:0:1]:7860/a.mp4",
    "https://[fe80::1]/a.mp4",
    "https://[fe80::1%25eth0]/a.mp4",
    "https://[2606:2800:220:1:248:1893:25c8:1946%25eth0]/a.mp4",
    "https://[fc00::1]/a.mp4",
    "https://[fd00:ec2::254]/latest/meta-data",
    "https://[fec0::1]/a.mp4",
    "https://[ff02::1]/a.mp4",
    "https://[2001:db8::1]/a.mp4",
    "https://[2001:1::1]/a.mp4",
    "https://[2001:20::1]/a.mp4",
    "https://[3fff::1]/a.mp4",
    "https://[100::1]/a.mp4",
    # An IPv4 number wrapped in an IPv6 one, also where the number itself is of the open net
    "https://[::ffff:127.0.0.1]/a.mp4",
    "https://[::ffff:7f00:1]/a.mp4",
    "https://[::ffff:93.184.216.34]/a.mp4",
    "https://[::127.0.0.1]/a.mp4",
    "https://[::ffff:0:127.0.0.1]/a.mp4",
    "https://[64:ff9b::127.0.0.1]/a.mp4",
    "https://[64:ff9b::a9fe:a9fe]/a.mp4",
    "https://[64:ff9b:1::10.0.0.1]/a.mp4",
    "https://[2002:7f00:1::]/a.mp4",
    "https://[2002:a9fe:a9fe::1]/a.mp4",
    "https://[2001:0:53aa:64c:0:0:5601:5601]/a.mp4",
    # Numbers written in other ways
    "https://2130706433/a.mp4",
    "https://0x7f000001/a.mp4",
    "https://017700000001/a.mp4",
    "https://0177.0.0.1/a.mp4",
    "https://0x7f.0.0.1/a.mp4",
    "https://0x7f.0x0.0x0.0x1/a.mp4",
    "https://127.1/a.mp4",
    "https://127.0.1/a.mp4",
    "https://127.0.0.01/a.mp4",
    "https://127.0.0.1./a.mp4",
    "https://127.0.0.1.5/a.mp4",
    "https://127.0.0.256/a.mp4",
    "https://93.184.216.034/a.mp4",
    "https://[127.0.0.1]/a.mp4",
    "https://[v1.fe80]/a.mp4",
    "https://fe80::1/a.mp4",
    # Letters that look like others, and what some readers turn into them
    "https://１２７.０.０.１/a.mp4",
    "https://①②⑦.⓪.⓪.①/a.mp4",
    "https://١٢٧.٠.٠.١/a.mp4",
    "https://127。0。0。1/a.mp4",
    "https://ｌｏｃａｌｈｏｓｔ/a.mp4",
    "https://localhoﬆ/a.mp4",
    "https://vidéos.example.com/a.mp4",
    "https://videos.example.com\u200b/a.mp4",
    "https://%6c%6f%63alhost/a.mp4",
    "https://127%2e0%2e0%2e1/a.mp4",
    # A name and password, and hosts that only look like the one
    "https://me:secret@videos.example.com/a.mp4",
    "https://@videos.example.com/a.mp4",
    "https://videos.example.com@127.0.0.1/a.mp4",
    "https://videos.example.com:443@169.254.169.254/a.mp4",
    "https://videos.example.com%40@10.0.0.1/a.mp4",
    "https://127.0.0.1\\@videos.example.com/a.mp4",
    "https://videos.example.com\\.local/a.mp4",
    "https:\\\\127.0.0.1\\a.mp4",
    "https:/\\127.0.0.1/a.mp4",
    "https://videos.example.com /a.mp4",
    "https://videos.example.com\t.local/a.mp4",
    "https://videos.example.com\r\nX-Key: 1/a.mp4",
    "https://videos.example.com/a.mp4\r\nX-Key: 1",
    "https://videos.example.com\0.local/a.mp4",
    " https://videos.example.com/a.mp4",
    "https://videos.example.com/a.mp4\n",
    # No host, or no port
    "https:///a.mp4",
    "https:videos.example.com/a.mp4",
    "https://.example.com/a.mp4",
    "https://videos..example.com/a.mp4",
    "https://videos.example.com./a.mp4",
    "https://-videos.example.com/a.mp4",
    f"https://{'a' * 64}.example.com/a.mp4",
    f"https://{'a.' * 130}example.com/a.mp4",
    f"https://videos.example.com/{'a' * 9000}",
    "https://[::1/a.mp4",
    "https://::1]/a.mp4",
    "https://videos.example.com:port/a.mp4",
    "https://videos.example.com:0/a.mp4",
    "https://videos.example.com:-1/a.mp4",
    "https://videos.example.com:65536/a.mp4",
    "https://videos.example.com:4_4_3/a.mp4",
    "https://videos.example.com:４４３/a.mp4",
]

# Refused by what their name is looked up to: nothing is connected.
LOOKED_UP = [
    *(["127.0.0.1"], ["127.0.0.2"], ["0.0.0.0"], ["10.1.2.3"], ["172.20.0.1"], ["192.168.0.1"]),
    *(["169.254.169.254"], ["168.63.129.16"], ["100.64.1.1"], ["192.0.0.8"], ["198.18.1.1"], ["224.0.0.251"]),
    *(["240.0.0.1"], ["255.255.255.255"], ["::"], ["::1"], ["fe80::1"], ["fe80::1%eth0"], ["fd00:ec2::254"]),
    *(["::ffff:10.0.0.1"], [f"::ffff:{GOOD}"], ["::10.0.0.1"], ["64:ff9b::a00:1"], ["64:ff9b:1::a00:1"]),
    *(["2002:a00:1::1"], ["2001::1"], ["ff02::fb"], ["2001:db8::1"], ["not a number"]),
    *([GOOD, "10.0.0.1"], ["10.0.0.1", GOOD], [OTHER, GOOD, "::1"], [GOOD, "64:ff9b::5db8:d822"]),
]


async def refused(outside: Outside, folder: Path, url: str) -> OutputRefused:
    async with library_of(outside, folder) as library:
        with pytest.raises(OutputRefused) as caught:
            await library.save(SHARE, 1, url)
        assert list(library.folder.iterdir()) == []
    assert caught.value.message
    assert len(caught.value.message.splitlines()) == 1
    return caught.value


@pytest.mark.parametrize("url", WRITTEN)
async def test_a_hostile_address_is_refused_by_its_text(tmp_path: Path, url: str) -> None:
    """Nothing is looked up, connected or fetched, though every name would be found at a good number."""
    outside = Outside()
    await refused(outside, tmp_path, url)
    assert (outside.looked_up, outside.connected) == ([], [])


@pytest.mark.parametrize("numbers", LOOKED_UP, ids=" ".join)
async def test_a_name_of_a_hostile_number_is_refused(tmp_path: Path, numbers: list[str]) -> None:
    """One look-up, no connection: also where only one of a name's numbers is not of the open net."""
    outside = Outside(names={HOST: [numbers]})
    await refused(outside, tmp_path, f"https://{HOST}/a.mp4")
    assert (outside.looked_up, outside.connected) == ([HOST], [])


def as_redirects() -> list[str]:
    """Those that can stand in a header and name their own host: `/a.mp4`, or `https:a.mp4`, is a good way to go on."""
    return [
        url
        for url in WRITTEN
        if url.isprintable() and url == url.strip() and ":" in url and not url.startswith(("https:///", "https:v"))
    ]


@pytest.mark.parametrize("url", as_redirects())
async def test_a_redirect_to_a_hostile_address_is_refused(tmp_path: Path, url: str) -> None:
    """The first host is asked twice, by its own redirect; the place it then leads to is not connected to."""
    async with Outside().serving() as outside:
        outside.replies = [redirect("/on"), redirect(url)]
        await refused(outside, tmp_path, f"https://{HOST}/a.mp4")
    assert outside.connected == [(GOOD, 443)] * 2
    assert [asked.target for asked in outside.asked] == ["/a.mp4", "/on"]
    assert set(outside.looked_up) == {HOST}


@pytest.mark.parametrize("numbers", LOOKED_UP, ids=" ".join)
async def test_a_redirect_to_a_name_of_a_hostile_number_is_refused(tmp_path: Path, numbers: list[str]) -> None:
    """The name a redirect leads to is judged like the first one."""
    async with Outside(names={"cdn.example.net": [numbers]}).serving() as outside:
        outside.replies = [redirect("https://cdn.example.net/a.mp4")]
        await refused(outside, tmp_path, f"https://{HOST}/a.mp4")
    assert outside.connected == [(GOOD, 443)]
    assert outside.looked_up == [HOST, "cdn.example.net"]


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://videos.example.com/a.mp4?X-Sig=a%2Fb&e=1#t", "videos.example.com", 443),
        ("HTTPS://Videos.Example.COM:443/a.mp4", "videos.example.com", 443),
        ("https://my_bucket.s3-eu.example.com:8443/my video.mp4", "my_bucket.s3-eu.example.com", 8443),
        ("https://xn--bcher-kva.example/b%C3%BCcher/bücher.mp4", "xn--bcher-kva.example", 443),
        ("https://3.cdn.4ever.example", "3.cdn.4ever.example", 443),
        (f"https://{GOOD}/a.mp4", GOOD, 443),
        (f"https://[{OTHER}]:444/a.mp4", OTHER, 444),
    ],
)
def test_a_good_address_is_read(url: str, host: str, port: int) -> None:
    """Names with digits, hyphens and other scripts' ASCII form, ports, and numbers of the open net are fine."""
    address = read_address(url)
    assert (address.url, address.scheme, address.host, address.port) == (url, "https", host, port)


@pytest.mark.parametrize(
    "number", [GOOD, OTHER, "1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1", "223.255.255.254"]
)
def test_numbers_of_the_open_net_are_open(number: str) -> None:
    """What hosts of the open net have for addresses is not refused."""
    assert why_not(number) is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:8188/a.mp4", "http://[::1]:8188/a.mp4", "https://videos.lan/a.mp4"])
def test_a_trusted_address_may_be_http_and_of_this_machine(url: str) -> None:
    """What the settings trust is read, and refused as soon as they do not."""
    assert read_address(url, trusted=True).url == url
    with pytest.raises(OutputRefused):
        read_address(url)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://videos.lan/a", "http://me:pw@videos.lan/a", "http://a\\b/c"]
)
def test_a_trusted_address_is_http_and_has_no_password(url: str) -> None:
    """Even a trusted address is http or https, and carries no password."""
    with pytest.raises(OutputRefused):
        read_address(url, trusted=True)
