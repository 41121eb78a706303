"""deploy/nginx.conf in a real nginx, on free ports of this machine."""

import getpass
import os
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
import trustme

from tests.cli import shell
from tests.processes.servers import ROOT, free_port

NAME = "shop.example"
NGINX_CONF = """
user {user};
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/daybook*.conf;
}}
"""


def nginx_program() -> str:
    """Return the path of nginx; without it, skip the test, or fail where DEPLOY_TESTS=required."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        assert os.environ.get("DEPLOY_TESTS") != "required", "there is no nginx"
        pytest.skip("there is no nginx")
    return program


def start_nginx(folder: Path) -> subprocess.Popen[bytes]:
    """Start nginx with the files daybook*.conf in the folder."""
    text = NGINX_CONF.format(folder=folder, user=getpass.getuser())
    (folder / "nginx.conf").write_text(text)
    return subprocess.Popen(
        [nginx_program(), "-p", str(folder), "-c", str(folder / "nginx.conf")],
        stderr=subprocess.DEVNULL,
    )


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Return the text with each first text replaced by its second; each must be there."""
    for original, local in pairs:
        assert original in text
        text = text.replace(original, local)
    return text


class Proxy:
    """nginx before the servers of an upstream; clients connect to it by TLS as shop.example."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.port, self.plain_port = free_port(), free_port()
        issued = self.authority.issue_cert(NAME)
        issued.private_key_pem.write_to_path(folder / "key.pem")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        site = replaced(
            (ROOT / "deploy/nginx.conf").read_text("utf-8"),
            ("listen 443 ", f"listen 127.0.0.1:{self.port} "),
            ("listen 80;", f"listen 127.0.0.1:{self.plain_port};"),
            ("    listen [::]:443 ssl http2;\n", ""),
            ("    listen [::]:80;\n", ""),
            ("/etc/ssl/daybook", str(folder)),
        )
        (folder / "daybook.conf").write_text(site)
        (folder / "daybook-upstream.conf").write_text(upstream)
        self._nginx = start_nginx(folder)

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def client(self) -> httpx.Client:
        """Return a client whose URL has the address, and whose TLS and Host have the name."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"Host": NAME},
            verify=self.context,
            http2=True,
            trust_env=False,
            timeout=shell.PATIENCE_S,
        )

    def get(self, path: str, **headers: str) -> httpx.Response:
        with self.client() as client:
            return client.get(path, headers=headers, extensions={"sni_hostname": NAME})

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        with self.client() as client:
            extensions = {"sni_hostname": NAME}
            return client.post(path, json=body, headers=headers, extensions=extensions)

    def raw(self) -> ssl.SSLSocket:
        """Open a TLS connection for HTTP/1.1."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=shell.PATIENCE_S)
        return self.context.wrap_socket(plain, server_hostname=NAME)

    def stop(self) -> None:
        self._nginx.terminate()
        self._nginx.wait(shell.PATIENCE_S)
