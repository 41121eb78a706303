"""TLS of the server itself, with a real client, and the errors for unusable certificates."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from tests.cli import shell
from tests.processes.servers import free_port, wait_for

ORDER = {"customer_name": "Ada", "items": [{"product": "notebook-a5", "quantity": 1}]}


class Certificate:
    """A certificate for this machine and shop.example, with its key and authority."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost", "127.0.0.1", "shop.example")
        self.file, self.key = folder / "cert.pem", folder / "key.pem"
        issued.private_key_pem.write_to_path(self.key)
        for each in issued.cert_chain_pems:
            each.write_to_path(self.file, append=True)

    @property
    def settings(self) -> dict[str, str]:
        return {"TLS_CERT": str(self.file), "TLS_KEY": str(self.key)}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls") / "one")


@pytest.fixture(scope="module")
def url(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server answers by TLS."""
    port = free_port()
    settings = {"PORT": str(port), "WORKERS": "1", "TRUSTED_HOSTS": "127.0.0.1,shop.example"}
    data = tmp_path_factory.mktemp("data")
    process = shell.start(data / "new", "serve", "--sample", **settings, **certificate.settings)
    url = f"https://127.0.0.1:{port}"
    try:
        with client_of(certificate) as client:
            wait_for("the server answers", lambda: answers(client, url))
        yield url
        process.terminate()
        code, out, _ = shell.finished(process)
        assert code == 0
        assert f"Daybook listens on {url} " in out
    finally:
        shell.end(process)


def client_of(certificate: Certificate, *, http2: bool = False) -> httpx.Client:
    context = ssl.create_default_context()
    certificate.authority.configure_trust(context)
    return httpx.Client(verify=context, timeout=shell.PATIENCE_S, trust_env=False, http2=http2)


def answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/product").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(("http2", "version"), [(True, "HTTP/2"), (False, "HTTP/1.1")])
def test_an_order_is_placed_by_tls(
    url: str, certificate: Certificate, http2: bool, version: str
) -> None:
    with client_of(certificate, http2=http2) as client:
        placed = client.post(f"{url}/order", json=ORDER)
        assert (placed.status_code, placed.http_version) == (201, version)
        kept = client.get(url + placed.headers["Location"]).json()
        assert kept["order_id"] == placed.json()["order_id"]


def test_a_body_without_a_length_is_refused_by_http_2_too(
    url: str, certificate: Certificate
) -> None:
    """HTTP/2 has no Transfer-Encoding; a body whose length nobody announced gets 411 as well."""
    with client_of(certificate, http2=True) as client:
        refused = client.post(f"{url}/order", content=iter([b'{"customer_name": ', b'"Ada"}']))
        assert (refused.status_code, refused.http_version) == (411, "HTTP/2")
        assert client.post(f"{url}/order/1/cancel").status_code == 404


def test_browsers_get_strict_transport_security(url: str, certificate: Certificate) -> None:
    """This machine's own names are excluded, because other services use them too."""
    with client_of(certificate, http2=True) as client:
        there = client.get(f"{url}/product", headers={"Host": "shop.example"})
        here = client.get(f"{url}/product")
    assert there.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in here.headers


def test_old_versions_of_tls_are_refused(url: str, certificate: Certificate) -> None:
    """The server says so: 1.2 is the oldest that it speaks."""
    context = ssl.create_default_context()
    certificate.authority.configure_trust(context)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # so that this client would still speak it
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        httpx.Client(verify=context, trust_env=False) as client,
        pytest.raises(httpx.ConnectError, match="ALERT"),
    ):
        client.get(url)


def test_heads_that_are_too_large_are_refused_by_http_2_too(
    url: str, certificate: Certificate
) -> None:
    with client_of(certificate, http2=True) as client:
        result = client.get(f"{url}/product", headers={"X-Large": "a" * (70 << 10)})
        assert result.status_code == 431
        assert client.get(f"{url}/product").status_code == 200


def test_without_tls_there_is_no_strict_transport_security(tmp_path: Path) -> None:
    """A shop by plain HTTP would shut itself out."""
    port = free_port()
    process = shell.start(
        tmp_path / "data", "serve", "--sample", PORT=str(port), TRUSTED_HOSTS="shop.example"
    )
    headers = {"Host": "shop.example"}
    try:
        with httpx.Client(trust_env=False, headers=headers) as client:
            url = f"http://127.0.0.1:{port}"
            wait_for("the server answers", lambda: answers(client, url))
            assert "Strict-Transport-Security" not in client.get(f"{url}/product").headers
    finally:
        shell.end(process)


def missing(certificate: Certificate) -> str:
    certificate.key.unlink()
    return f"DAYBOOK_TLS_KEY: {certificate.key} cannot be read (No such file or directory)."


def of_another(certificate: Certificate) -> str:
    key = trustme.CA().issue_cert("localhost").private_key_pem
    key.write_to_path(certificate.key)
    return "The key of DAYBOOK_TLS_KEY does not belong to the certificate of DAYBOOK_TLS_CERT."


def nonsense(certificate: Certificate) -> str:
    certificate.file.write_text("no certificate")
    return "DAYBOOK_TLS_CERT and DAYBOOK_TLS_KEY must name files in PEM: "


@pytest.mark.parametrize("spoil", [missing, of_another, nonsense])
def test_an_unusable_certificate_is_reported_at_the_start(
    tmp_path: Path, spoil: Callable[[Certificate], str]
) -> None:
    """The refusal is one sentence, before anything listens or any data folder is made."""
    certificate = Certificate(tmp_path / "tls")
    sentence = spoil(certificate)
    settings = certificate.settings
    code, out, err = shell.run(
        tmp_path / "data", "serve", "--sample", PORT=str(free_port()), **settings
    )
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {sentence}")
    assert err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_certificate_without_its_key_is_reported(
    tmp_path: Path, certificate: Certificate
) -> None:
    code, _, err = shell.run(tmp_path / "data", "serve", "--sample", TLS_CERT=str(certificate.file))
    assert code == 2
    assert err == "Error: Set DAYBOOK_TLS_CERT and DAYBOOK_TLS_KEY both, or none of them.\n"
