#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at rain-panelweb's page in a real headless Chromium, over WebDriver.

browser.py DIRECTORY JOB USER JOB-AT-PEER: prints TAP and figures, leaves screenshots in DIRECTORY,
where the programs "turn MODE" (the switch of node4), "blink" (a short job on node7, which prints when it
began) and "call-back" (the end of the job at the peer) are.
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

    def press(self, *keys):
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": [
            {"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]}]})

    def screenshot(self, name):
        self.cdp("Page.enable", {})
        width, height = self.run("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        picture = self.cdp("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {
            "x": 0, "y": 0, "width": width, "height": height, "scale": 1}})["data"]
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
    """The browser's own start is not the page's: the best of some."""
    best = 1e9
    for _ in range(5):
        b.call("POST", "/url", {"url": PAGE})
        if not b.wait(lambda: b.run("return performance.getEntriesByName('first-contentful-paint').length === 1")):
            return False
        best = min(best, b.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    print(f"# first picture after {best:.0f} ms", flush=True)
    return True


def light(b, directory):
    """From the first line of a job's program to the light in the page."""
    took = []
    for _ in range(3):
        b.run("""window.lit = 0;
            const led = document.querySelector('[data-node="6"] [data-led="USER 1"]');
            window.observer = new MutationObserver(() => { window.lit = window.lit || (led.classList.contains('lit') ? Date.now() : 0); });
            observer.observe(led, {attributes: true});""")
        began = float(subprocess.run([f"{directory}/blink"], stdout=subprocess.PIPE, check=True).stdout) * 1000
        if not b.wait(lambda: b.run("return window.lit") > 0):
            return False
        took.append(b.run("return window.lit") - began)
        b.wait(lambda: b.run("return !document.querySelector('[data-node=\"6\"] .owner b')"))
    print("# a light came on " + ", ".join(f"{t:.0f}" for t in took) + " ms after the job's program began", flush=True)
    return True


def look_at_jobs(b, directory, job, user, peer_job):
    check("the owner's name and job are below his boards", b.wait(
        lambda: b.run(f"return [...document.querySelectorAll('.owner')].filter(e => e.textContent.includes('{user}') && "
                      f"e.textContent.includes('job {job}')).length === 2")))
    check("his pattern plays on user1", b.wait(
        lambda: b.run("return document.querySelectorAll('[data-led=\"USER 1\"].lit').length > 0")))
    check("his job is among those at home", b.wait(
        lambda: b.run(f"return !!document.querySelector('[data-place^=\"At home\"] [data-job=\"{job}\"]')")))
    check("the job at the peer is drawn there", b.wait(
        lambda: b.run(f"return !!document.querySelector('[data-place=\"At bravo\"] [data-job=\"{peer_job}\"]')"), 30))
    check("a light comes on with a job", light(b, directory))


def look_at_switch(b, directory):
    lever = "return document.querySelector('[data-node=\"3\"] rect:last-of-type').getAttribute('y')"
    up = b.run(lever)
    for mode in ("load", "status"):
        subprocess.run([f"{directory}/turn", mode], check=True, stdout=subprocess.DEVNULL)
        check(f"the switch turned to {mode} is seen", b.wait(
            lambda: b.run(f"return document.querySelector('[data-node=\"3\"]').dataset.mode === '{mode}'")) and
            (b.run(lever) == up) == (mode == "status"))


def look_at_tokens(b, directory, peer_job):
    check("accounts of peers and users are drawn from the ledger", b.wait(
        lambda: b.run("return !!document.querySelector('[data-peer=bravo] .curve') && "
                      "!!document.querySelector('[data-account=ada] .curve')"), 20))
    subprocess.run([f"{directory}/call-back"], check=True)
    check("its end at the peer is seen", b.wait(
        lambda: b.run(f"return !document.querySelector('[data-job=\"{peer_job}\"]')"), 30))
    check("what it cost is in the peer's plot", b.wait(
        lambda: b.run("return document.querySelectorAll('[data-peer=bravo] .bar').length > 0 && "
                      "document.querySelector('[data-peer=bravo] .key').textContent.startsWith('received')"), 30))


def look_at_heat(b):
    check("the node with a sensor shows its heat and clock", b.wait(
        lambda: b.run("return document.querySelector('[data-heat=node5] h3')?.textContent === 'node554 °C · 1152 MHz' && "
                      "document.querySelectorAll('[data-heat=node5] .warm').length > 0"), 20))
    check("and those without say so", b.run("return document.getElementById('heat').textContent.includes('7 more nodes have no sensor')"))


def look_by_keyboard(b):
    b.run("document.querySelector('.module').focus()")
    b.press("\ue014")
    check("an arrow key moves to the next board and reads it", b.wait(
        lambda: b.run("return document.activeElement.dataset.node === '1' && "
                      "document.getElementById('detail').textContent.startsWith('node2')")))
    b.press("\ue004")
    b.press(" ")
    check("Tab and the space bar calm the lights", b.wait(
        lambda: b.run("return document.activeElement.id === 'calm' && document.activeElement.getAttribute('aria-pressed') === 'true'")))
    b.press(" ")


def look_wide(directory, job, user, peer_job):
    b = Browser(1280, 1000)
    check("the first picture is there", first_picture(b))
    check("eight boards with five lights each", b.wait(
        lambda: b.run("return document.querySelectorAll('.module').length === 8 && "
                      "document.querySelectorAll('[data-led]').length === 40")))
    b.run("window.board = document.querySelector('.module'); window.stayed = true")
    for led in ("BOOT", "NET"):
        check(f"{led} is lit on every board", b.wait(
            lambda: b.run(f"return document.querySelectorAll('[data-led={led}].lit').length === 8")))
    look_at_jobs(b, directory, job, user, peer_job)
    look_at_switch(b, directory)
    look_at_heat(b)
    b.screenshot(f"{directory}/panelweb-wide.png")
    look_at_tokens(b, directory, peer_job)
    look_by_keyboard(b)
    check("nothing is wider than the window", b.run(
        "return document.documentElement.scrollWidth <= innerWidth"))
    check("nothing was fetched from elsewhere", b.run(
        "return performance.getEntriesByType('resource').every(e => e.name.startsWith(location.origin))"))
    check("nothing was loaded again or built anew", b.run(
        "return window.stayed && window.board === document.querySelector('.module')"))
    b.cdp("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
    b.screenshot(f"{directory}/panelweb-grey.png")
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
    b.wait(lambda: b.run("return document.querySelectorAll('[data-account]').length > 0"), 20)
    b.screenshot(f"{directory}/panelweb-narrow.png")
    b.close()


def main():
    directory, job, user, peer_job = sys.argv[1:]
    look_wide(directory, job, user, peer_job)
    look_narrow(directory)
    print(f"1..{count}")
    return failed > 0


sys.exit(main())
