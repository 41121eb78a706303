"""The wheel: what `pip install` and `pipx install` give a user."""

import subprocess
import sys
from contextlib import suppress
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest
import requests

from app.kernel.release import VERSION
from tests.cli.shell import ROOT, end, finished
from tests.processes.servers import free_port, wait_for

pytestmark = pytest.mark.deep

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture
def site(wheel: Path, tmp_path: Path) -> Path:
    """A folder of modules with the wheel in it."""
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    return tmp_path / "site"


def start(site: Path, *words: str, **settings: str) -> subprocess.Popen[str]:
    """Start the wheel's command `daybook` beside `site`; no module comes from the checkout."""
    path = f"import sys; sys.path.insert(0, {str(site)!r})"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"{path}; from app.cli.daybook import main; main()", *words],
        cwd=site.parent,
        env={"HOME": str(site.parent)}
        | {f"DAYBOOK_{name}": value for name, value in settings.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    """Templates, styles, scripts and the sample catalogue are in it; nothing else is but `app`."""
    files = (path for path in (ROOT / "app").rglob("*.*") if path.parent.name != "__pycache__")
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {str(path.relative_to(ROOT)) for path in files} <= names
    assert {name.partition("/")[0] for name in names} == {"app"}


def test_the_metadata_name_version_and_command(wheel: Path) -> None:
    """The version is that of the code; `daybook` is a console script."""
    with ZipFile(wheel) as archive:
        (folder,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info" in name}
        metadata = message_from_bytes(archive.read(f"{folder}/METADATA"))
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
    assert (metadata["Name"], metadata["Version"]) == ("daybook", VERSION)
    assert "daybook = app.cli.daybook:main" in entry_points


def test_the_command_tells_its_version(site: Path) -> None:
    """`daybook --version` needs no data folder and makes none."""
    code, out, err = finished(start(site, "--version"))
    assert (code, out, err) == (0, f"daybook, version {VERSION}\n", "")
    assert {path.name for path in site.parent.iterdir()} == {"site"}


def test_the_command_works_outside_of_the_checkout(site: Path) -> None:
    """Its shop is in the user's data folder, unless the settings name another one."""
    goods, own = site.parent / "goods.csv", site.parent / ".local" / "share" / "daybook"
    goods.write_text("sku,name,price\ntea,Tea,4.50\n")
    for data, settings in ((own, {}), (site.parent / "shop", {"DATA": str(site.parent / "shop")})):
        code, _, err = finished(start(site, "import", "products", str(goods), **settings))
        assert (code, err) == (0, "")
        assert (data / "journal").is_dir()


def test_a_wrong_setting_is_one_sentence(site: Path) -> None:
    """As of `flask`: exit status 2, and no traceback."""
    code, _, err = finished(start(site, "failures", PORT="many"))
    assert code == 2
    assert err.startswith("Error: ") and "DAYBOOK_PORT" in err and "Traceback" not in err


def test_a_user_without_a_home_folder_names_the_data_folder(site: Path) -> None:
    """With DAYBOOK_DATA every command works; without it the error names the setting."""
    homeless = (
        f"import pwd, sys; pwd.getpwuid = {{}}.__getitem__; sys.path.insert(0, {str(site)!r})"
    )
    command = f"{homeless}; from app.cli.daybook import main; main()"
    for data, code, text in (
        ("shop", 0, "There are no users"),
        ("", 2, "DAYBOOK_DATA: must name a folder"),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-c", command, "user", "list"],
            cwd=site.parent,
            env={"DAYBOOK_DATA": str(site.parent / data)} if data else {},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, text in done.stdout + done.stderr) == (code, True), done
        assert "Traceback" not in done.stderr


def test_the_installed_shop_serves_its_pages(site: Path) -> None:
    """Templates, styles and the sample catalogue come from the wheel."""
    port = str(free_port())
    (site.parent / "wsgi.py").write_text("raise SystemExit('another program')")
    server = start(site, "serve", "--sample", PORT=port, DATA=str(site.parent / "shop"))
    try:
        wait_for("the shop serves", lambda: get(port, "/livez"))
        assert f'"version":"{VERSION}"' in get(port, "/livez").replace(" ", "")
        assert "notebook-a5" in get(port, "/product")
        assert "<h1" in get(port, "/") and "{" in get(port, "/static/style.css")
    finally:
        end(server)


def get(port: str, path: str) -> str:
    """The body of a GET; empty while nothing listens."""
    with suppress(requests.ConnectionError):
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S).text
    return ""
