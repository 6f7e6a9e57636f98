"""From where people come in: nobody in clear from elsewhere, with a real certificate, and behind a proxy."""

import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from bot.http_api.address import address_of, read_address
from bot.http_api.serving import PLAIN, Encryption
from engine.errors import InputError
from engine.settings.service import HttpSection
from tests.console.bridge import Bridge
from tests.needs import need
from tests.patience import PATIENCE_S

NAME = "watchkeeper.example.org"
ELSE = {"port": 0, "names": (), "most_body_bytes": 4096, "requests_per_s": 10}


@pytest.fixture
def made(tmp_path: Path) -> Encryption:
    """A certificate that nobody signed but itself, for a name that is not the machine's."""
    need(shutil.which("openssl"), "openssl is not installed")
    return certificate(tmp_path)


def certificate(folder: Path, *given: str) -> Encryption:
    """Make a certificate and its key in a folder."""
    key, shown = folder / "key.pem", folder / "certificate.pem"
    passphrase = given or ("-nodes",)
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "1", "-subj", f"/CN={NAME}"]
    subprocess.run([*make, *passphrase, "-keyout", key, "-out", shown], capture_output=True, check=True)
    return Encryption(certificate=shown, key=key, name=NAME)


def cookie_of(bridge: Bridge, url: str, **given) -> str:
    """Log in at an address; return what the browser is told to keep."""
    key = bridge.sessions.invite("cat", "captain")
    headers = {"Sec-Fetch-Site": "same-origin"} | given.pop("headers", {})
    entered = httpx.post(f"{url}/login", data={"key": key}, headers=headers, **given, timeout=PATIENCE_S)
    assert entered.status_code == 303
    return str(entered.headers["set-cookie"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "bridge.example", "127.0.0.1.example"])
def test_an_address_that_others_reach_takes_something_that_encrypts(host):
    with pytest.raises(ValidationError, match="tls_certificate and tls_key, or say behind_proxy: true"):
        HttpSection(host=host, **ELSE)
    assert HttpSection(host=host, behind_proxy=True, **ELSE).host == host
    assert HttpSection(host=host, tls_certificate="/c", tls_key="/k", **ELSE).host == host
    with pytest.raises(ValidationError, match="belong together"):
        HttpSection(host=host, tls_certificate="/c", behind_proxy=True, **ELSE)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_the_machine_itself_needs_nothing(host):
    assert HttpSection(host=host, **ELSE).tls_certificate is None


def test_it_encrypts_by_itself_and_the_cookie_goes_over_nothing_else(tmp_path, made):
    bridge = Bridge(tmp_path / "home")
    with bridge.served(engine=False, encryption=made) as url:
        address = read_address(bridge.layout.address)
        assert address is not None
        assert url == f"https://{NAME}:{address.port}"
        assert address.here == f"https://127.0.0.1:{address.port}"
        assert "; Secure" in cookie_of(bridge, address.here, verify=address.trust())
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(address.here, trust_env=False, timeout=PATIENCE_S)
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{address.port}/login", trust_env=False, timeout=PATIENCE_S)
    bridge.close()


@pytest.mark.parametrize(("behind_proxy", "is_secure"), [(True, True), (False, False)])
def test_what_a_proxy_says_is_believed_where_there_is_one(tmp_path, behind_proxy, is_secure):
    bridge = Bridge(tmp_path)
    with bridge.served(engine=False, encryption=Encryption(behind_proxy=behind_proxy)) as url:
        said = cookie_of(bridge, url, headers={"X-Forwarded-Proto": "https"})
        assert ("; Secure" in said) == is_secure
        assert "; Secure" not in cookie_of(bridge, url)
    bridge.close()


def test_a_certificate_that_does_not_do_is_said_with_its_cure(tmp_path, made):
    assert PLAIN.context() is None
    (tmp_path / "other").mkdir()
    (tmp_path / "locked").mkdir()
    other = certificate(tmp_path / "other")
    locked = certificate(tmp_path / "locked", "-passout", "pass:secret")
    for wrong in (
        Encryption(certificate=made.certificate, key=other.key),
        locked,
        Encryption(certificate=made.key, key=made.key),
        Encryption(certificate=tmp_path / "none", key=made.key),
    ):
        with pytest.raises(InputError) as told:
            wrong.context()
        assert told.value.cure
        assert "http.tls_key" in (told.value.place or "")
    with pytest.raises(InputError, match="cannot be read"):
        address_of("127.0.0.1", 1, 1, certificate=str(tmp_path / "none")).trust()
