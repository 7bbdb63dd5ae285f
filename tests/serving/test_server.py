"""The server of docs/serving.md under load: right answers, and memory that does not grow."""

import http.client
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
STATM = Path("/proc/self/statm")
THREADS, ROUND = 4, 100


@pytest.fixture(scope="module")
def table():
    rng, n = np.random.default_rng(0), 600
    page = rng.choice(["home", "shop", None], n)
    return pd.DataFrame({"page": page, "seconds": rng.exponential(30, n)})


@pytest.fixture(scope="module")
def model(table):
    clicks = (table.page == "shop") & (table.seconds > 20)
    return DCNClassifier(max_iter=3, early_stopping=False, random_state=0).fit(table, clicks)


@pytest.fixture
def server(model):
    """Return the address of the handler that the page shows."""
    code = PAGE.read_text().split("## Behind HTTP")[1]
    imports = "import json\nfrom http.server import BaseHTTPRequestHandler\n"
    handler = re.search(r"class Predict.*?\n\n\n", code, re.DOTALL).group()
    names = {"predict_row": model.row_predictor()}
    exec(imports + handler, names)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), names["Predict"])
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield httpd.server_address
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def ask(address, body):
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request("POST", "/", body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def resident():
    """Return the pages of memory that the process holds, 0 where the system does not say."""
    return int(STATM.read_text().split()[1]) if STATM.exists() else 0


@pytest.mark.parametrize("n_requests", [200, pytest.param(10_000, marks=pytest.mark.campaign)])
def test_load(server, model, table, n_requests):
    rows = table.to_dict("records")
    expected = model.predict_proba(table)[:, 1]
    bodies = [json.dumps(row).encode() for row in rows]

    def answered(i):
        status, answer = ask(server, bodies[i % len(rows)])
        assert status == 200
        return answer["probability"]

    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, n_requests, ROUND):  # the pool keeps what a round is made of
            found = list(pool.map(answered, range(start, start + ROUND)))
            of_rows = np.take(expected, range(start, start + ROUND), mode="wrap")
            np.testing.assert_allclose(found, of_rows, rtol=1e-5)
            if start == 0:
                before = resident()
    # what a request leaves behind is less than 100 bytes; a page has 4096
    assert (resident() - before) * 4096 < 100 * n_requests + 2**20


def test_bad_requests(server):
    for body, text in (
        (b"{", "Expecting"),
        (b'{"page": "shop"}', "row lacks the columns"),
        (b'{"page": "shop", "seconds": "long"}', "want a number"),
        (b"3", "row is a int"),
    ):
        status, answer = ask(server, body)
        assert status == 400
        assert text in answer["error"]
