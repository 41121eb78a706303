"""The page that imports products: a preview first, then the import of the same file."""

import os
from io import BytesIO

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.web.layout.form import MEDIA_TYPE, UPLOAD_MEDIA_TYPE
from app.web.manager.product_import import MAX_FILE_BYTES, MAX_ROWS, MAX_SHOWN_REFUSALS
from tests.over_http import read
from tests.web.page import Page, send

GOOD = b"sku,name,price\njar,Jar,3.50\ncup,Cup,2.00\n"
MIXED = GOOD + b"lid,Lid,cheap\njar,Jar,9.00\nmug,Mug,12.00\n"


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Four products, one of them the mug."""


def preview(client: FlaskClient, data: bytes, name: str = "goods.csv", **typed: str) -> Page:
    """Choose a file and submit the form; return the page that follows."""
    form = Page(client.get("/stock-import")).form("/stock-import")
    fields = form.filled(**typed) | {"file": (BytesIO(data), name)}
    answer = client.post(form.action, data=fields, content_type="multipart/form-data")
    answer.request.environ["wsgi.input"].close()  # the client's temporary file of a large form
    return Page(answer)


def test_a_preview_lists_the_refused_rows_and_changes_nothing(client: FlaskClient) -> None:
    """Each refused row has its line, its sku and the reason."""
    page = preview(client, MIXED)
    assert page.status == 200
    assert "2 products can be added 1 already in the shop; left as it is 2 refused" in page.text
    assert "Line 4 lid price: must be a decimal number such as 4.50" in page.text
    assert "Line 5 jar price: contradicts line 2, '3.50'" in page.text
    assert client.get("/product/jar").status_code == 404


def test_one_button_imports_the_good_rows_of_the_preview(client: FlaskClient) -> None:
    """The products are added as the person who imports; what the shop has stays."""
    before = read(client, "/product/mug")
    page = preview(client, MIXED)
    assert "Import the 2 good rows" in page.text
    after = send(client, page, "/run")
    assert "2 products added" in after.text
    assert "Line 4 lid" in after.text
    assert read(client, "/product/jar")["price"] == "3.50"
    assert read(client, "/product/mug") == before
    assert not [action for action in after.forms if action.endswith("/run")]


def test_a_product_added_after_the_preview_is_left_as_it_is(client: FlaskClient) -> None:
    """The import checks each row again, and refuses that of another price."""
    page = preview(client, GOOD)
    client.post("/product", json={"sku": "jar", "name": "Jar", "price": "7.00", "quantity": 1})
    after = send(client, page, "/run")
    assert "1 product added 1 refused" in after.text
    assert "Line 2 jar price: the shop has '7.00', and an import changes no product" in after.text
    assert read(client, "/product/jar")["price"] == "7.00"


def test_a_spreadsheet_with_semicolons_and_decimal_commas_is_read(client: FlaskClient) -> None:
    """In the encoding that was chosen, which the import keeps."""
    data = "sku;name;price;quantity\nkase;Käse;1.234,50;7\n".encode("windows-1252")
    page = preview(client, data, encoding="windows-1252")
    assert "price is read with the decimal sign ','" in page.text
    send(client, page, "/run")
    product = read(client, "/product/kase")
    assert (product["name"], product["price"], product["quantity"]) == ("Käse", "1234.50", 7)


def test_an_amount_that_may_mean_thousands_asks_for_the_decimal_sign(client: FlaskClient) -> None:
    """In words of the page; the chosen sign decides, in the import as well."""
    data = b"sku;price\nsafe;1.200\n"
    page = preview(client, data)
    assert "choose the decimal sign of the file" in page.text
    assert "--" not in page.text
    send(client, preview(client, data, decimal=","), "/run")
    assert read(client, "/product/safe")["price"] == "1200.00"


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [(b"", "goods.csv", "goods.csv is empty."),
     (b"", "", "Choose a file."),
     (b"sku,price\nk\xe4se,1\n", "goods.csv",
      "goods.csv, line 2: not UTF-8 (byte 0xe4); save the file as UTF-8, or choose its encoding"),
     (b"PK\x03\x04rest", "goods.xlsx", "goods.xlsx is a workbook or an archive"),
     (b"code,price\na,1\n", "goods.csv",
      "goods.csv has no column sku; it has code, price; rename the headings in its first row."),
     (b"sku,price\na,\"1,50\"\nb,1.50\n", "goods.csv",
      "line 2 (1,50) and line 3 (1.50); choose the decimal sign of the file below."),
     (b"sku,price\n" + b"a,1\n" * (MAX_ROWS + 1), "goods.csv", f"more than {MAX_ROWS} rows"),
     (b"sku,price\n" + b"#" * MAX_FILE_BYTES, "goods.csv", "larger than 512 KB")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_in_words(
    client: FlaskClient, data: bytes, name: str, words: str
) -> None:
    """The form is there for another file, and names no option of a command."""
    page = preview(client, data, name)
    assert page.status == 400
    assert words in page.text
    assert "--" not in page.text
    assert "file" in page.fields


def test_a_file_over_the_limit_of_requests_is_refused_in_words(client: FlaskClient) -> None:
    """It is 413, with the limit of the page, what to do, and the form for another file."""
    page = preview(client, b"#" * (1 << 20))
    assert page.status == 413
    assert "larger than 512 KB" in page.text
    assert "with flask import products" in page.text
    assert "#file" in page.links
    assert {"file", "encoding", "decimal"} <= page.form("/stock-import").fields.keys()


def test_the_largest_file_can_be_imported(client: FlaskClient) -> None:
    """The form of the preview has its name, so that the page is small."""
    page = preview(client, GOOD.ljust(MAX_FILE_BYTES, b"\n"))
    assert "2 products can be added" in page.text
    assert len(page.form("/run").filled()["kept"]) == 64
    assert "2 products added" in send(client, page, "/run").text


def test_a_long_list_of_refused_rows_is_counted(client: FlaskClient) -> None:
    """The page shows the first ones and stays small."""
    page = preview(client, b"sku,price\n" + b"a,x\n" * (MAX_SHOWN_REFUSALS + 5))
    assert "And 5 rows more." in page.text
    assert "There is nothing to import." in page.text


@pytest.mark.parametrize(
    ("address", "media_type", "status"),
    [("/stock-import", UPLOAD_MEDIA_TYPE, 403), ("/stock-import/run", MEDIA_TYPE, 403),
     ("/stock-import", MEDIA_TYPE, 415), ("/stock-import/run", UPLOAD_MEDIA_TYPE, 415)],
)  # fmt: skip
def test_a_form_of_another_site_imports_nothing(
    client: FlaskClient, address: str, media_type: str, status: int
) -> None:
    """Both steps check the CSRF token and the media type."""
    response = client.post(address, data={"decimal": ","}, content_type=media_type)
    assert response.status_code == status


@pytest.mark.parametrize("kept", ["", "a", "../../products.json", "0" * 64])
def test_an_import_without_its_file_is_refused(client: FlaskClient, kept: str) -> None:
    """The page says so, and has the form for the file."""
    form = preview(client, GOOD).form("/run")
    refused = Page(client.post(form.action, data=form.filled(kept=kept)))
    assert refused.status == 400
    assert "Choose it again." in refused.text
    assert "file" in refused.fields
    assert client.get("/product/jar").status_code == 404


def test_a_file_that_was_changed_meanwhile_is_not_imported(
    client: FlaskClient, config: Config
) -> None:
    """Only what was previewed is."""
    page = preview(client, GOOD)
    [kept] = (config.data / "imports/tmp").iterdir()
    kept.write_bytes(GOOD + b"pan,Pan,1.00\n")
    assert send(client, page, "/run").status == 400
    assert client.get("/product/pan").status_code == 404


def test_a_file_is_kept_for_a_day(client: FlaskClient, config: Config) -> None:
    """The next preview removes an older one; a younger one stays, and can still be imported."""
    page = preview(client, GOOD)
    folder = config.data / "imports/tmp"
    [kept] = folder.iterdir()
    preview(client, MIXED)
    assert kept.exists()
    os.utime(kept, (0, 0))
    preview(client, MIXED)
    assert not kept.exists()
    assert "it is kept for a day" in send(client, page, "/run").text


def test_a_preview_says_when_the_file_cannot_be_kept(client: FlaskClient, config: Config) -> None:
    """The reason is the disk's; nothing is changed."""
    (config.data / "imports").write_bytes(b"")
    page = preview(client, GOOD)
    assert page.status == 503
    assert "The file could not be kept for its import: Not a directory." in page.text


def test_an_exported_name_comes_back_as_it_was(client: FlaskClient) -> None:
    """Without the apostrophe that keeps spreadsheets from reading it as a formula."""
    client.post("/product", json={"sku": "new", "name": "=1+1", "price": "1.00", "quantity": 1})
    exported = client.get("/stock.csv").get_data(as_text=True)
    assert "'=1+1" in exported
    send(client, preview(client, exported.replace("new,", "copy,").encode()), "/run")
    assert read(client, "/product/copy")["name"] == "=1+1"


def test_the_exported_products_can_be_imported(client: FlaskClient) -> None:
    """All of a search; the shop has them already."""
    response = client.get("/stock.csv?find=tea")
    assert response.mimetype == "text/csv"
    assert response.get_data(as_text=True).startswith("sku,name,category,price")
    page = preview(client, client.get("/stock.csv").get_data())
    assert "4 already in the shop" in page.text
    assert any(link.startswith("/stock.csv") for link in Page(client.get("/stock?find=tea")).links)
