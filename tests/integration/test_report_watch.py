"""`codeit report --watch`: the page on loopback, made anew when the run writes."""

import http.client
import shutil
from threading import Thread

import pytest
from report_folders import write_run, write_tasks

from engine.errors import UsageError
from engine.files import write_json
from report.watch import Page, serve


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", write_tasks(tmp_path / "tasks"))


@pytest.fixture
def served(run):
    page = Page([run])
    page.refresh()
    server = serve(page, 0)
    Thread(target=server.serve_forever, daemon=True).start()
    yield page, server.server_port
    server.shutdown()
    server.server_close()


def get(port, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_page_has_another_version_when_the_run_has_written(served, run):
    page, port = served
    status, before = get(port, "/")
    assert status == 200
    assert f'data-watch="{get(port, "/version")[1]}"' in before
    assert not page.refresh()
    write_json(run / "summary.json", {"seconds": 60.0})
    assert page.refresh()
    assert f'data-watch="{get(port, "/version")[1]}"' in get(port, "/")[1]
    assert get(port, "/")[1] != before


def test_nothing_is_written_and_nothing_else_is_served(served, run):
    _, port = served
    assert not (run / "report").exists()
    assert get(port, "/../config.toml")[0] == 404
    assert get(port, "/metrics.jsonl")[0] == 404


def test_a_name_that_leads_here_from_elsewhere_is_refused(served):
    _, port = served
    assert get(port, "/", host=f"evil.example:{port}")[0] == 403
    for host in ("localhost", "127.0.0.1", f"[::1]:{port}"):  # a port of 80 is not said
        assert get(port, "/", host=host)[0] == 200


def test_a_port_that_is_taken_is_said(served):
    page, port = served
    with pytest.raises(UsageError, match=f"port {port} cannot be had"):
        serve(page, port)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium: apt-get install chromium")
def test_a_browser_reloads_by_itself_and_stays_where_it_was(served, run):
    from playwright.sync_api import sync_playwright

    page, port = served
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{port}/#tasks?status=solved")
        before = tab.locator("body").get_attribute("data-watch")
        write_json(run / "summary.json", {"seconds": 120.0})
        assert page.refresh()
        tab.wait_for_function("before => document.body.dataset.watch !== before", arg=before, timeout=60_000)
        assert tab.locator("#status").input_value() == "solved"
        browser.close()
