#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at rain-panelweb's page in a real headless Chromium, over WebDriver.

browser.py DIRECTORY [JOB USER [JOB-AT-PEER]]: prints TAP, leaves screenshots in DIRECTORY.
"""
import base64
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-quic", "--disable-dev-shm-usage"]
PAGE = "http://127.0.0.1:7249/"


class Browser:
    def __init__(self, width, height):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.home = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, cwd=self.home.name,
                                       env={"HOME": self.home.name, "PATH": "/usr/bin:/bin"})
        self.session = ""
        self.wait(lambda: self.call("GET", "/status")["ready"], 20)
        flags = FLAGS + [f"--window-size={width},{height}", f"--user-data-dir={self.home.name}/profile"]
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"args": flags, "binary": "/usr/bin/chromium"}}}})
        self.session = "/session/" + answer["sessionId"]

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{self.session}{path}", data, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def run(self, script):
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def cdp(self, command, parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def wait(self, condition, seconds=15):
        end = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return True
            except (OSError, KeyError):
                pass
            if time.monotonic() > end:
                return False
            time.sleep(0.05)

    def screenshot(self, name):
        self.cdp("Page.enable", {})
        picture = self.cdp("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
        with open(name, "wb") as out:
            out.write(base64.b64decode(picture))

    def close(self):
        try:
            self.call("DELETE", "")
        except OSError:
            pass
        self.driver.terminate()
        self.driver.wait()
        self.home.cleanup()


failed = count = 0


def check(what, good):
    global failed, count
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} {what}", flush=True)


def first_picture(b):
    """Milliseconds; the browser's own start is not the page's: the best of some."""
    best = 1e9
    for _ in range(5):
        b.call("POST", "/url", {"url": PAGE})
        b.wait(lambda: b.run("return performance.getEntriesByName('first-contentful-paint').length === 1"))
        best = min(best, b.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    print(f"# first picture after {best:.0f} ms", flush=True)
    return best


def look_wide(directory, job, user, peer_job):
    b = Browser(1280, 1000)
    b.call("POST", "/url", {"url": PAGE})
    check("eight boards with five lights each", b.wait(
        lambda: b.run("return document.querySelectorAll('.module').length === 8 && "
                      "document.querySelectorAll('[data-led]').length === 40")))
    check("the first picture is there within 200 ms", first_picture(b) < 200)
    check("boot is lit on every board", b.wait(
        lambda: b.run("return document.querySelectorAll('[data-led=BOOT].lit').length === 8")))
    check("network is lit on every board", b.wait(
        lambda: b.run("return document.querySelectorAll('[data-led=NET].lit').length === 8")))
    if job:
        check("the owner's name and job are below his boards", b.wait(
            lambda: b.run(f"return [...document.querySelectorAll('.owner')].filter(e => e.textContent.includes('{user}') && "
                          f"e.textContent.includes('job {job}')).length === 2")))
        check("his pattern plays on user1", b.wait(
            lambda: b.run("return document.querySelectorAll('[data-led=\"USER 1\"].lit').length > 0")))
        check("his job is among those at home", b.wait(
            lambda: b.run(f"return !!document.querySelector('[data-place^=\"At home\"] [data-job=\"{job}\"]')")))
    if peer_job:
        check("the job at the peer is drawn there", b.wait(
            lambda: b.run(f"return !!document.querySelector('[data-place=\"At bravo\"] [data-job=\"{peer_job}\"]')"), 30))
    check("the peer's account is drawn", b.wait(
        lambda: b.run("return !!document.querySelector('[data-peer=bravo] .curve')")))
    b.run("document.querySelector('.module').focus()")
    b.call("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": [
        {"type": "keyDown", "value": "\ue014"}, {"type": "keyUp", "value": "\ue014"}]}]})
    check("an arrow key moves to the next board and reads it", b.wait(
        lambda: b.run("return document.activeElement.dataset.node === '1' && "
                      "document.getElementById('detail').textContent.startsWith('node2')")))
    check("nothing is wider than the window", b.run(
        "return document.documentElement.scrollWidth <= innerWidth"))
    check("nothing was fetched from elsewhere", b.run(
        "return performance.getEntriesByType('resource').every(e => e.name.startsWith(location.origin))"))
    b.screenshot(f"{directory}/panelweb-wide.png")
    b.close()


def look_narrow(directory):
    b = Browser(500, 900)
    b.cdp("Emulation.setDeviceMetricsOverride", {"width": 375, "height": 780, "deviceScaleFactor": 2, "mobile": True})
    b.cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
    b.call("POST", "/url", {"url": PAGE})
    check("a telephone shows eight boards, four a row", b.wait(
        lambda: b.run("return document.querySelectorAll('.module').length === 8 && "
                      "getComputedStyle(document.getElementById('panel')).gridTemplateColumns.split(' ').length === 4")))
    check("nothing is wider than the telephone", b.wait(
        lambda: b.run("return document.documentElement.scrollWidth <= 376")))
    check("who wants less motion gets steady lights", b.wait(
        lambda: b.run("return document.getElementById('calm').getAttribute('aria-pressed') === 'true'")))
    b.screenshot(f"{directory}/panelweb-narrow.png")
    b.close()


def main():
    directory, job, user, peer_job = (sys.argv[1:] + [""] * 3)[:4]
    look_wide(directory, job, user, peer_job)
    look_narrow(directory)
    print(f"1..{count}")
    return failed > 0


sys.exit(main())
