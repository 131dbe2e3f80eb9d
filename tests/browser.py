#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at rain-panelweb's page in a real headless Chromium, over WebDriver.

browser.py DIRECTORY JOB USER JOB-AT-PEER STRANGER: prints TAP and figures, leaves screenshots in DIRECTORY
(STRANGER is a user who may not see names), where the programs "turn MODE" (the switch of node4), "blink" (a short job on node7, which prints when it
began) and "call-back" (the end of the job at the peer) are.
"""
import base64
import itertools
import json
import pwd
import os
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
    def __init__(self, width, height, user="root"):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.home = tempfile.TemporaryDirectory()
        os.chown(self.home.name, pwd.getpwnam(user).pw_uid, -1)
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, cwd=self.home.name, user=user,
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
    check("and in the colour that its owner has at home", b.wait(
        lambda: b.run(f"const edge = id => getComputedStyle(document.querySelector(`[data-place] [data-job=\"${{id}}\"]`)).borderLeftColor;"
                      f"return edge({job}) === edge({peer_job}) && edge({job}) !== 'rgb(100, 112, 126)'")))
    check("a light comes on with a job", light(b, directory))


# How a colour looks to who lacks one kind of cones: linear RGB to linear RGB (Machado, Oliveira and Fernandes 2009).
EYES = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def linear(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]


def lightness(rgb):
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def lab(rgb):
    r, g, b = (min(1, max(0, x)) for x in rgb)
    xyz = ((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505, lightness((r, g, b)), (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089)
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def look_at_colours(b):
    colours = b.run("return palette")
    for eyes, matrix in EYES.items():
        seen = [lab([sum(m * x for m, x in zip(row, linear(c))) for row in matrix]) for c in colours]
        check(f"any two owners' colours differ to {eyes} eyes", min(
            sum((p - q) ** 2 for p, q in zip(one, other)) ** 0.5 for one, other in itertools.combinations(seen, 2)) > 12)
    dark = lightness(linear("#20262d")) # .led
    check("a lit light differs from a dark one without any colour", all(
        (lightness(linear(c)) + 0.05) / (dark + 0.05) > 3 for c in colours + b.run("return [...base, ...bar]")))
    check("and what colours say is said in words", b.run(
        "return modules.every(m => m.b.getAttribute('aria-label').includes(m.name.textContent)) && "
        "[...document.querySelectorAll('.owner b')].every(e => e.textContent.length > 0)"))


def look_at_switch(b, directory):
    lever = "return document.querySelector('[data-node=\"3\"] rect:last-of-type').getAttribute('y')"
    up = b.run(lever)
    for mode in ("load", "status"):
        subprocess.run([f"{directory}/turn", mode], check=True, stdout=subprocess.DEVNULL)
        check(f"the switch turned to {mode} is seen", b.wait(
            lambda: b.run(f"return document.querySelector('[data-node=\"3\"]').dataset.mode === '{mode}'")) and
            (b.run(lever) == up) == (mode == "status"))
        if mode == "load":
            b.screenshot(f"{directory}/panelweb-wide.png")


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
    b.screenshot(f"{directory}/panelweb-after.png")


def look_at_heat(b):
    check("the node with a sensor shows its heat and clock", b.wait(
        lambda: b.run("return document.querySelector('[data-heat=node5] h3')?.textContent === 'node554 °C · 1152 MHz' && "
                      "document.querySelectorAll('[data-heat=node5] .warm').length > 0"), 20))
    check("when it was throttled is told", b.wait(
        lambda: b.run("return document.querySelector('[data-heat=node5] [data-event=hot]')?.textContent.includes('too hot')"), 20))
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
    b.run(f"""window.card = document.querySelector('[data-job="{job}"]');
        window.peerPlace = document.querySelector('[data-place="At bravo"]');
        window.gone = [];
        new MutationObserver(list => list.forEach(m => window.gone.push(...m.removedNodes)))
            .observe(document.getElementById('places'), {{childList: true, subtree: true}});""")
    look_at_heat(b)
    look_at_switch(b, directory)
    look_at_tokens(b, directory, peer_job)
    look_at_colours(b)
    check("cards stay in their place while others come and go", b.run(
        "return window.card.isConnected && window.peerPlace.isConnected && "
        "!window.gone.includes(window.card) && !window.gone.includes(window.peerPlace) && window.gone.length > 0"))
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


def look_as_stranger(stranger, job, user):
    b = Browser(1280, 1000, stranger)
    b.call("POST", "/url", {"url": PAGE})
    check("who is not entitled sees that a job is there", b.wait(
        lambda: b.run(f"return [...document.querySelectorAll('.owner')].filter(e => e.textContent.includes('job {job}')).length === 2 && "
                      f"!!document.querySelector('[data-place] [data-job=\"{job}\"]')")))
    check("and that names and balances are not for him", b.wait(
        lambda: b.run("return document.getElementById('note').textContent.includes('administrators only') && "
                      "document.getElementById('peers').textContent.includes('administrators only')")))
    text = b.run("return document.documentElement.outerHTML.split('<script>')[0] + document.body.innerText")
    check("and no name is anywhere in the page", not any(name in text for name in (f">{user}<", f"{user} ·", "heat</", "waves", "weather")))
    b.close()


def main():
    directory, job, user, peer_job, stranger = sys.argv[1:]
    look_wide(directory, job, user, peer_job)
    look_narrow(directory)
    look_as_stranger(stranger, job, user)
    print(f"1..{count}")
    return failed > 0


sys.exit(main())
