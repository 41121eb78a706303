"""Pictures of products: uploaded and removed on the product's page, shown in the shop."""

import os
import re
import struct
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from app.audit import recompute
from app.config import Config
from app.inventory.pictures import FOLDER, MAX_PIXELS, SIDE_PX, UNUSED_MAX_AGE_S, Pictures
from app.server.runtime import Runtime
from app.store.files.tools.backup import backup
from app.store.files.tools.restore import restore
from tests.over_http import read
from tests.web.page import Page

Upload = Callable[..., TestResponse]

pytestmark = pytest.mark.usefixtures("catalogue")


@pytest.fixture
def upload(client: FlaskClient) -> Upload:
    """A function that sends a file as the picture of a product: upload(data, sku="mug")."""

    def send(data: bytes, sku: str = "mug", name: str = "mug.png", **fields: str) -> TestResponse:
        token = Page(client.get(f"/stock/{sku}")).fields["csrf_token"]["value"]
        sent = {"csrf_token": token, "picture": (BytesIO(data), name)} | fields
        answer = client.post(f"/stock/{sku}", data=sent, content_type="multipart/form-data")
        answer.request.environ["wsgi.input"].close()  # the client's temporary file of a large form
        return answer

    return send


def drawn(kind: str = "PNG", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    """Return a picture in one colour."""
    file = BytesIO()
    Image.new("RGB", size, options.pop("colour", "teal")).save(file, kind, **options)  # type: ignore[arg-type]  # as Pillow says
    return file.getvalue()


def pictures_in(client: FlaskClient, address: str = "/") -> list[str]:
    """Return the addresses of the pictures on a page."""
    return re.findall(r'<img class="picture" src="([^"]*)"', client.get(address).text)


def stored(client: FlaskClient, address: str = "/") -> Image.Image:
    """Return the first picture on a page, as a browser decodes it."""
    return Image.open(BytesIO(client.get(pictures_in(client, address)[0]).data))


def error_of(answer: TestResponse) -> str:
    """Return the sentence at the file field."""
    page = Page(answer)
    assert page.fields["picture"]["aria-describedby"] == "picture-error"
    return page.by_id["picture-error"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_shown_in_the_shop(client: FlaskClient, upload: Upload, kind: str) -> None:
    """And on the product's page; its alternative text is the product's name."""
    answer = upload(drawn(kind), name="anything")
    assert (answer.status_code, answer.location) == (303, "/stock/mug")
    assert len(pictures_in(client)) == 1
    assert pictures_in(client) == pictures_in(client, "/stock/mug")
    assert 'alt="Mug" width="640" height="480"' in client.get("/").text
    assert (stored(client).format, stored(client).size) == ("WEBP", (40, 30))


def test_a_picture_is_kept_by_browsers(client: FlaskClient, upload: Upload) -> None:
    """For a year, because its name is its content; no browser takes it for anything else."""
    upload(drawn())
    headers = client.get(pictures_in(client)[0]).headers
    assert headers["Content-Type"] == "image/webp"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Set-Cookie" not in headers


def test_a_large_picture_is_made_smaller(client: FlaskClient, upload: Upload) -> None:
    """In its proportions."""
    upload(drawn(size=(4000, 2000)))
    assert stored(client).size == (SIDE_PX, SIDE_PX // 2)


def test_a_telephones_picture_is_turned_and_says_nothing(
    client: FlaskClient, upload: Upload
) -> None:
    """Upright as its metadata says; where and by what it was taken is not kept."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x010E] = 6, "Secretphone", "at home"
    upload(drawn("JPEG", exif=exif, comment=b"secret"))
    picture = client.get(pictures_in(client)[0]).data
    assert stored(client).size == (30, 40)
    assert not any(word in picture for word in (b"Secret", b"home", b"secret", b"Exif"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK", "YCbCr"])
def test_every_kind_of_colours_is_taken(client: FlaskClient, upload: Upload, mode: str) -> None:
    """Transparent pixels stay transparent, since pages are light or dark."""
    file = BytesIO()
    kind = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    Image.new(mode, (20, 20)).save(file, kind)
    assert upload(file.getvalue()).status_code == 303
    assert stored(client).mode == ("RGBA" if mode in ("LA", "RGBA") else "RGB")


def png_of(width: int, height: int) -> bytes:
    """Return a small PNG that says that it is as large as this."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is not a whole PNG, JPEG or WebP file"),
        (b"GIF89a" + bytes(20), "is not a whole PNG, JPEG or WebP file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a whole PNG, JPEG or WebP file"),
        (drawn("GIF"), "is not a whole PNG, JPEG or WebP file"),
        (drawn("TIFF"), "is not a whole PNG, JPEG or WebP file"),
        (drawn("JPEG", (400, 400))[:600], "is not a whole PNG, JPEG or WebP file"),
        (drawn("PNG", (400, 400))[:60], "is not a whole PNG, JPEG or WebP file"),
        (png_of(MAX_PIXELS + 1, 1), "has more than 25 million pixels; make it smaller"),
        (png_of(100_000, 100_000), "has more than 25 million pixels; make it smaller"),
        (bytes(1 << 20), "is too large; at most 1 MB can be sent"),
    ],
)
def test_a_file_that_is_no_picture_is_refused(
    client: FlaskClient, upload: Upload, config: Config, data: bytes, sentence: str
) -> None:
    """422, with the reason at the field; whatever its name says, and nothing is stored."""
    answer = upload(data, name="mug.png")
    assert answer.status_code == 422
    assert error_of(answer) == f"Picture {sentence}."
    assert pictures_in(client) == []
    assert not (config.data / FOLDER).exists()


def test_no_chosen_file_is_an_error(client: FlaskClient) -> None:
    """In words, at the field."""
    token = Page(client.get("/stock/mug")).fields["csrf_token"]["value"]
    sent = {"csrf_token": token, "picture": (BytesIO(), "")}
    answer = client.post("/stock/mug", data=sent, content_type="multipart/form-data")
    assert error_of(answer) == "Picture is missing: choose a file."


def test_a_foreign_form_sets_no_picture(client: FlaskClient, upload: Upload) -> None:
    """403, as for other forms."""
    assert upload(drawn(), csrf_token="twenty-two-characters-").status_code == 403
    assert pictures_in(client) == []


def test_a_picture_is_replaced_and_removed(client: FlaskClient, upload: Upload) -> None:
    """The old address has no picture at once."""
    upload(drawn())
    [first] = pictures_in(client)
    upload(drawn(colour="red"))
    [second] = pictures_in(client)
    assert first != second
    assert client.get(first).status_code == 404
    page = Page(client.get("/stock/mug"))
    token = page.fields["csrf_token"]["value"]
    answer = client.post("/stock/mug", data={"csrf_token": token, "do": "remove-picture"})
    assert answer.status_code == 303
    assert pictures_in(client) == pictures_in(client, "/stock/mug") == []
    assert client.get(second).status_code == 404


def test_the_same_picture_changes_nothing(client: FlaskClient, upload: Upload) -> None:
    """The product keeps its version."""
    upload(drawn())
    version = read(client, "/product/mug")["version"]
    upload(drawn())
    assert read(client, "/product/mug")["version"] == version


def test_a_sale_keeps_the_picture(client: FlaskClient, upload: Upload) -> None:
    """So does every other change of the product."""
    upload(drawn())
    client.post("/product/mug/stock", json={"change": 5, "reason": "delivery"})
    client.patch("/product/mug", json={"name": "Big mug"})
    assert 'alt="Big mug"' in client.get("/").text
    assert read(client, "/product/mug")["picture"] == pictures_in(client)[0].split("/")[-1]


def test_a_picture_makes_no_edit_stale(client: FlaskClient, upload: Upload) -> None:
    """A page that was opened before can be saved, and keeps the picture."""
    fields = Page(client.get("/stock/mug")).fields
    edit = {name: fields[name]["value"] for name in ("csrf_token", "version", "price")}
    upload(drawn())
    answer = client.post("/stock/mug", data={"do": "edit", "name": "Big mug"} | edit)
    assert answer.status_code == 303
    assert 'alt="Big mug"' in client.get("/").text


@pytest.mark.parametrize(
    "name", ["x", "..%2Fjournal", "0" * 64 + ".webp", "%00", "..%2f..%2fa.webp"]
)
def test_an_unknown_picture_is_not_found(client: FlaskClient, name: str) -> None:
    """No name leads out of the folder."""
    assert client.get(f"/pictures/{name}").status_code == 404


def test_an_unused_picture_is_removed_a_day_later(
    client: FlaskClient, upload: Upload, config: Config
) -> None:
    """With the next change of a picture; a backup that has begun meanwhile still finds it."""
    folder = config.data / FOLDER
    upload(drawn())
    upload(drawn(), sku="tea")
    upload(drawn(colour="red"))
    upload(drawn(colour="red"), sku="tea")
    assert len([*folder.glob("*.webp")]) == 2
    age_all(folder)
    upload(drawn(colour="blue"))
    names = {path.name for path in folder.glob("*.webp")}
    assert names == {read(client, f"/product/{sku}")["picture"] for sku in ("mug", "tea")}


def age_all(folder: Path) -> None:
    """Make every file look as if it had been there for long."""
    for path in folder.glob("*.webp"):
        os.utime(path, (0, time.time() - UNUSED_MAX_AGE_S - 1))


def test_a_lost_picture_is_noticed(
    client: FlaskClient, upload: Upload, runtime: Runtime, config: Config
) -> None:
    """`flask check` names the product; the shop shows the others."""
    upload(drawn())
    assert differences(runtime, config) == []
    name = read(client, "/product/mug")["picture"]
    (config.data / FOLDER / name).write_bytes(b"other")
    [difference] = differences(runtime, config)
    assert difference.startswith(f"picture of product mug: expected {name} in pictures/, found")
    (config.data / FOLDER / name).unlink()
    assert len(differences(runtime, config)) == 1
    assert client.get(f"/pictures/{name}").status_code == 404


def differences(runtime: Runtime, config: Config) -> list[str]:
    """Return what the audit says of pictures."""
    with runtime.store.read() as view:
        found = recompute(view, Pictures(config.data)).differences
    return [str(each) for each in found if each.what == "picture"]


def test_a_disk_that_fails_is_said_in_words(
    upload: Upload, client: FlaskClient, config: Config
) -> None:
    """Something stands where the folder should be; the product stays as it was."""
    (config.data / FOLDER).write_text("in the way")
    answer = upload(drawn())
    assert answer.status_code == 503
    assert "The picture could not be written, and nothing was changed" in Page(answer).text
    assert "picture" not in read(client, "/product/mug")


def test_pictures_are_part_of_backups(
    upload: Upload, client: FlaskClient, runtime: Runtime, config: Config, tmp_path: Path
) -> None:
    """A restored shop has them, and a backup that lacks one is refused."""
    upload(drawn())
    name = read(client, "/product/mug")["picture"]
    backup(runtime.store, tmp_path / "backup")  # type: ignore[arg-type]  # the runtime's is that
    restore(tmp_path / "backup", tmp_path / "restored", runtime.collections)
    assert Pictures(tmp_path / "restored").is_whole(name)
    (tmp_path / "backup" / FOLDER / name).unlink()
    with pytest.raises(Exception, match=f"{FOLDER}/{name} is missing"):
        restore(tmp_path / "backup", tmp_path / "again", runtime.collections)
