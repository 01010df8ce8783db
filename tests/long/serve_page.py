#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of `enlarge serve` in Debian's Chromium, driven as a person would.

serve_page.py PROGRAM [--shots FOLDER]

Pictures of the page go to FOLDER. It needs a browser: apt-get install chromium chromium-driver python3-selenium.
axe-core comes out of the package axe-selenium-python of the Python index, or is what ENLARGE_AXE names (the path of
axe.min.js).
"""

import argparse
import base64
import http.client
import http.server
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "serve"))
if (
    not os.environ.get("ENLARGE_PAGE_PYTHON")
    and os.path.exists("/usr/bin/python3")
    and sys.executable != "/usr/bin/python3"
):
    os.environ["ENLARGE_PAGE_PYTHON"] = "1"  # where Debian's Selenium is
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

from client import Server, check, finish, png, until  # noqa: E402

try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None


IMAGES = "return [...document.getElementById('compare').shadowRoot.querySelectorAll('img')]"
AFTER = "document.getElementById('compare').shadowRoot.querySelector('.after img')"


def start_browser(downloads):
    options = webdriver.ChromeOptions()
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
        "--autoplay-policy=no-user-gesture-required",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.set_script_timeout(60)
    return driver


class Page:
    def __init__(self, driver, server, shots):
        self.driver, self.server, self.shots = driver, server, shots
        self.downloads = None

    def open(self):
        self.driver.get(f"http://127.0.0.1:{self.server.port}/")
        until(lambda: self.all("#models .card"))

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def js(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def drop(self, name, kind, data):
        self.js(
            "const bytes = Uint8Array.from(atob(arguments[2]), c => c.charCodeAt(0));"
            "const transfer = new DataTransfer();"
            "transfer.items.add(new File([bytes], arguments[0], {type: arguments[1]}));"
            "for (const kind of ['dragenter', 'dragover', 'drop'])"
            " document.getElementById('drop').dispatchEvent("
            "  new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));",
            name,
            kind,
            base64.b64encode(data).decode(),
        )

    def ended(self, name, state="done", seconds=180):
        script = "return [...document.querySelectorAll('#jobs li.' + arguments[0])]"
        script += ".some(li => li.innerText.includes(arguments[1]))"
        return until(lambda: self.js(script, state, name), seconds)

    def button(self, name, text):
        """Of the job, or None; looked for again where the list changes meanwhile."""
        for _ in range(20):
            try:
                return self.button_now(name, text)
            except StaleElementReferenceException:
                pass
        return None

    def button_now(self, name, text):
        for li in self.all("#jobs li"):
            if name in li.text:
                for one in li.find_elements(By.CSS_SELECTOR, "button, a.button"):
                    if one.text == text:
                        return one
        return None

    def shot(self, name):
        if self.shots:
            pathlib.Path(self.shots).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(pathlib.Path(self.shots) / f"{name}.png"))

    def inside(self, selector):
        return self.js("return document.getElementById('compare').shadowRoot.querySelector(arguments[0])", selector)

    def media(self, **features):
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]},
        )


def accessible(page, where):
    """Controls have names, pictures have texts; and axe-core finds nothing, where it is at hand."""
    nameless = page.js(
        "return [...document.querySelectorAll('button, a, input, select, progress, dialog, section')]"
        ".filter(e => e.checkVisibility?.() && !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') ||"
        " e.labels?.length || e.textContent.trim())).map(e => e.outerHTML)"
    )
    check(f"{where}: every control has a name", not nameless, nameless)
    check(f"{where}: every picture has a text", not page.all("img:not([alt])"))
    axe = os.environ.get("ENLARGE_AXE")
    if not axe:
        return
    page.js(pathlib.Path(axe).read_text(encoding="utf-8"))
    found = page.driver.execute_async_script(
        "const done = arguments[0]; axe.run(document).then(r =>"
        " done(r.violations.map(v => [v.id, v.nodes.map(n => n.html + ' ' + n.failureSummary)])))"
    )
    check(f"{where}: axe-core finds nothing", found == [], found)


def a_picture(page):
    page.open()
    check("the page is there", page.one("h1").text == "enlarge" and not page.one("#start").is_enabled())
    titles = [card.text for card in page.all("#models .card strong")]
    check("no two cards have one name", len(set(titles)) == len(titles) > 4, titles)
    accessible(page, "empty")
    page.drop("cat.jpg", "image/jpeg", (REPOSITORY / "samples" / "cat.jpg").read_bytes())
    check("a dropped picture is shown", len(page.all("#chosen li img")) == 1)
    check(
        "samples of networks are made",
        until(
            lambda: page.js(
                "return [...document.querySelectorAll('.sample img')].every(i => i.complete && i.naturalWidth > 0)"
            ),
            60,
        ),
    )
    page.shot("chosen-light")
    page.one("#start").click()
    check("it is done", page.ended("cat.jpg"))
    check("its size is told", "896 × 596" in page.one("#jobs li").text, page.one("#jobs li").text)
    page.shot("done-light")
    page.button("cat.jpg", "Compare").click()
    until(lambda: page.js(IMAGES + ".every(i => i.complete && i.naturalWidth)"))
    knob = page.inside(".knob")
    place = lambda: int(knob.get_attribute("aria-valuenow"))
    check("the line is in the middle", place() == 50)
    knob.send_keys(*[Keys.ARROW_LEFT] * 5)
    check("arrows move it", place() == 40, place())
    knob.send_keys(Keys.END)
    check("to its end", place() == 100)
    knob.send_keys(Keys.HOME, Keys.PAGE_UP, Keys.PAGE_UP)
    ActionChains(page.driver).click_and_hold(knob).move_by_offset(300, 0).release().perform()
    check("the mouse moves it", 35 < place() < 60, place())
    page.one("[data-zoom=one]").click()
    check("one to one", page.one("#zoom-value").text == "100 %", page.one("#zoom-value").text)
    for _ in range(4):
        page.one("[data-zoom=in]").click()
    check(
        "beyond, pixels are squares",
        page.js("return getComputedStyle(" + AFTER + ").imageRendering") == "pixelated",
    )
    transforms = page.js(IMAGES + ".map(i => i.style.transform)")
    check("both halves move together", len(set(transforms)) == 1 and "scale" in transforms[0], transforms)
    ActionChains(page.driver).click_and_hold(page.one("#compare")).move_by_offset(-60, 20).release().perform()
    moved = page.js(IMAGES + ".map(i => i.style.transform)")
    check("and are dragged together", len(set(moved)) == 1 and moved != transforms, moved)
    page.shot("compare-light")
    page.one("[data-zoom=fit]").click()
    accessible(page, "compare")
    page.one("#viewer-close").click()
    link = page.button("cat.jpg", "Download").get_attribute("href")
    got = page.driver.execute_async_script(
        "const done = arguments[1]; fetch(arguments[0]).then(r => r.arrayBuffer())"
        ".then(b => done(btoa(Array.from(new Uint8Array(b), c => String.fromCharCode(c)).join(''))))",
        link,
    )
    job = page.server.get("/v1/jobs").json["jobs"][0]["id"]
    check("the download is the result", base64.b64decode(got) == page.server.get(f"/v1/jobs/{job}/output").body)


def shown(page, name):
    """Whether both pictures of the job's comparison can be seen."""
    page.button(name, "Compare").click()
    there = until(lambda: len(w := page.js(IMAGES + ".map(i => i.naturalWidth)")) == 2 and all(w), 30)
    page.one("#viewer-close").click()
    return there


def pasted(page):
    """By the browser's own clipboard, where it gives one; else as its event says."""
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    page.js("window.focus()")
    wrote = page.driver.execute_async_script(
        "const done = arguments[1], bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));"
        "navigator.clipboard.write([new ClipboardItem({'image/png': new Blob([bytes], {type: 'image/png'})})])"
        ".then(() => done(''), e => done(String(e)))",
        base64.b64encode(png(40, 30)).decode(),
    )
    check("a picture is on the clipboard", wrote == "", wrote)
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("v").key_up(Keys.CONTROL).perform()
    check("a pasted picture is chosen", until(lambda: len(page.all("#chosen li img")) == 1, 10))
    page.one("#start").click()
    check("and enlarged", page.ended("image.png"), [li.text for li in page.all("#jobs li")])


def other_formats(page):
    """What browsers cannot show is shown all the same: before it is enlarged, and after."""
    for ending in ("tif", "heic", "avif", "jxl"):
        made = page.server.post(f"/v1/upscale?model=swift-x2&scale=1&strength=0&format={ending}", png(64, 48))
        if not check(f"{ending} is made", made.status == 200, made):
            continue
        page.drop(f"kind.{ending}", "", made.body)
        width = until(lambda: page.js("return document.querySelector('#chosen img')?.naturalWidth"), 30)
        check(f"{ending}: shown when it is chosen", width == 64, width)
        page.one("#preview").click()
        check(f"{ending}: a part can be tried", until(lambda: page.one("#part").get_attribute("open"), 20))
        page.one("#part-close").click()
        page.one("#start").click()
        check(f"{ending}: done", page.ended(f"kind.{ending}"))
        check(f"{ending}: compared", shown(page, f"kind.{ending}"))


def all_at_once(page):
    """Download all: one file."""
    done = len(page.all("#jobs li.done"))
    page.one("#download-all").click()
    file = page.downloads / "enlarged.zip"
    check("one archive", until(file.exists, 30), list(page.downloads.iterdir()))
    with zipfile.ZipFile(file) as archive:
        check("with every result", len(archive.namelist()) == done and archive.testzip() is None, archive.namelist())


def touched(page):
    """A finger moves the line, two zoom."""
    points_of = lambda places: [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
    touch = lambda kind, *places: page.driver.execute_cdp_cmd(
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points_of(places)}
    )
    page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    page.button("cat.jpg", "Compare").click()
    until(lambda: len(w := page.js(IMAGES + ".map(i => i.naturalWidth)")) == 2 and all(w), 30)
    knob = page.inside(".knob")
    middle = "const r = arguments[0].getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]"
    box = page.js(middle, knob)
    touch("touchStart", box)
    for step in range(1, 6):
        touch("touchMove", (box[0] - 40 * step, box[1]))
    touch("touchEnd")
    place = int(knob.get_attribute("aria-valuenow"))
    check("a finger moves the line", place < 45, place)
    percent = lambda: int(page.one("#zoom-value").text.split()[0])
    before = percent()
    touch("touchStart", (500, 300), (600, 300))
    for step in range(1, 6):
        touch("touchMove", (500 - 20 * step, 300), (600 + 20 * step, 300))
    touch("touchEnd")
    check("two fingers zoom", percent() > 1.5 * before, (before, percent()))
    page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    page.one("#viewer-split").click()
    boxes = page.js(
        "return ['.before', '.after'].map(n => document.getElementById('compare').shadowRoot.querySelector(n)"
        ".getBoundingClientRect()).map(r => [r.left, r.right])"
    )
    check("side by side", boxes[0][1] <= boxes[1][0], boxes)
    page.shot("side-by-side-light")
    page.one("#viewer-close").click()


def a_token(page, program):
    """A server with a token asks for it, once."""
    secret = "a-token-of-the-test-0123"
    with Server(program, ENLARGE_TOKEN=secret) as server:
        page.driver.get(f"http://127.0.0.1:{server.port}/")
        check("the token is asked for", until(lambda: page.one("#login").get_attribute("open"), 20))
        page.shot("token-light")
        accessible(page, "token")
        page.one("#token").send_keys("wrong", Keys.ENTER)
        check("a wrong one is told", until(lambda: "not the token" in page.one("#login-error").text, 20))
        page.one("#token").clear()
        page.one("#token").send_keys(secret, Keys.ENTER)
        check("the right one opens the page", until(lambda: page.all("#models .card"), 20))
        page.drop("with-token.png", "image/png", png(20, 20))
        page.one("#start").click()
        check("and everything works", page.ended("with-token.png"))
        check("pictures, too", shown(page, "with-token.png"))
    page.open()


class Proxy(http.server.BaseHTTPRequestHandler):
    """What stands at https://example.org/enlarge/: takes the path off or leaves it on. A subclass sets `behind`."""

    protocol_version, behind, leave = "HTTP/1.1", None, False

    def forward(self):
        path = self.path if self.leave else self.path.removeprefix("/enlarge") or "/"
        if not self.path.startswith("/enlarge/"):
            return self.send_error(404)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        there = http.client.HTTPConnection("127.0.0.1", self.behind.port)
        there.request(self.command, path, body, {k: v for k, v in self.headers.items() if k != "Connection"})
        answer = there.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Transfer-Encoding", "Connection", "Date"):
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while more := answer.read1(65536):
                self.wfile.write(more)
        except OSError:
            there.close()
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = forward

    def log_message(self, *_):
        pass


def behind_a_proxy(page, program):
    """Under a path, taken off by the proxy or left on: everything is found there, and nothing is asked elsewhere."""
    for leave in (False, True):
        with Server(program, *(["--prefix", "/enlarge"] if leave else [])) as server:
            kind = type("Its", (Proxy,), {"behind": server, "leave": leave})
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as proxy:
                proxy.daemon_threads = True
                threading.Thread(target=proxy.serve_forever, daemon=True).start()
                page.driver.get("about:blank")
                page.driver.get_log("browser")
                page.driver.get(f"http://127.0.0.1:{proxy.server_address[1]}/enlarge/")
                how = "left on" if leave else "taken off"
                check(f"path {how}: the page is there", until(lambda: page.all("#models .card"), 20))
                page.drop("under-a-path.png", "image/png", png(40, 30))
                page.one("#start").click()
                check(f"path {how}: a picture is enlarged", page.ended("under-a-path.png"))
                check(f"path {how}: and compared", shown(page, "under-a-path.png"))
                link = page.button("under-a-path.png", "Download").get_attribute("href")
                check(f"path {how}: the download lies under it", "/enlarge/v1/jobs/" in link, link)
                errors = [e["message"] for e in page.driver.get_log("browser") if e["level"] == "SEVERE"]
                check(f"path {how}: nothing is missing", not errors, errors)
                page.driver.get("about:blank")
                proxy.shutdown()


def a_part(page):
    page.drop("part.png", "image/png", png(300, 200))
    page.one("#preview").click()
    until(lambda: page.one("#part").get_attribute("open"))
    page.one("#part-x").send_keys(Keys.HOME)
    page.one("#part-go").click()
    check(
        "a part is shown first",
        until(lambda: page.one("#viewer").get_attribute("open"), 60),
        page.one("#part-status").text,
    )
    until(
        lambda: page.js(
            "return document.getElementById('compare').shadowRoot.querySelector('.after img')?.naturalWidth"
        )
    )
    wide = page.js("return document.getElementById('compare').shadowRoot.querySelector('.after img').naturalWidth")
    check("of the right size", wide == 640, wide)
    page.one("#viewer-close").click()
    page.one("#chosen button").click()
    check("and left out again", until(lambda: not page.all("#chosen li"), 5), page.one("#chosen").text)


def cancelled(page):
    page.drop("large.png", "image/png", png(900, 700))
    page.one("#start").click()
    until(lambda: page.button("large.png", "Cancel") and page.all("#jobs li.running"), 60)
    page.button("large.png", "Cancel").click()
    check("cancelled", page.ended("large.png", "cancelled", 60), [li.text for li in page.all("#jobs li")])
    page.button("large.png", "Remove").click()
    check("removed", until(lambda: not page.button("large.png", "Remove")))


def clip(page):
    page.one("#scale").send_keys("2")
    page.one("#files").send_keys(str(REPOSITORY / "samples" / "clip.mp4"))
    page.one("#start").click()
    check("a clip is done", page.ended("clip.mp4"), [li.text for li in page.all("#jobs li")])
    page.button("clip.mp4", "Compare").click()
    films = "const f = [...document.getElementById('compare').shadowRoot.querySelectorAll('video')];"
    ready = until(lambda: page.js(films + "return f.length === 2 && f.every(v => v.readyState >= 2)"), 30)
    check(
        "both films can be played",
        ready,
        page.js(films + "return f.map(v => [v.src, v.error?.message, v.readyState])"),
    )
    check("side by side", page.one("#viewer-split").get_attribute("aria-pressed") == "true")
    if ready:
        page.inside(".play").click()
        until(lambda: page.js(films + "return f[0].currentTime > 0.3"))
        apart = page.js(films + "return Math.abs(f[0].currentTime - f[1].currentTime)")
        check("in step", apart < 0.15, apart)
        page.inside(".play").click()
        until(lambda: page.js(films + "return f.every(v => v.paused && !v.seeking)"))
        apart = until(lambda: page.js(films + "return Math.abs(f[0].currentTime - f[1].currentTime) < 0.002"))
        check("and at the same place when stopped", apart)
    page.shot("film-light")
    page.one("#viewer-close").click()


def tabs_and_reloads(page):
    ids = lambda: page.js("return [...document.querySelectorAll('#jobs li[data-id]')].map(li => li.dataset.id)")
    before = ids()
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open()
    check("another tab has the same list", until(lambda: ids() == before), (ids(), before))
    page.drop("second.png", "image/png", png(30, 20))
    page.one("#start").click()
    check("what one tab begins", page.ended("second.png"))
    page.driver.switch_to.window(first)
    check("the other hears of", page.ended("second.png"))
    now = ids()
    page.driver.refresh()
    check("the list is there after a reload", until(lambda: ids() == now), (ids(), now))
    port = page.server.port
    page.server.stop()
    check(
        "a server that is gone is told",
        until(lambda: "cannot be reached" in page.one("#status").text, 20),
        page.one("#status").text,
    )
    page.server.start(port)
    check(
        "and one that is back is found",
        until(lambda: ids() == now and "done" in page.one("#status").text, 30),
        (ids(), now, page.one("#status").text),
    )


def small_and_dark(page):
    page.driver.set_window_size(500, 800)
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    page.driver.refresh()
    until(lambda: page.all("#jobs li.done") and page.all("#models .card"))
    wide = page.js("return document.documentElement.scrollWidth")
    check("nothing sticks out at 360 pixels", wide <= 360, wide)
    page.shot("phone-light")
    accessible(page, "phone")
    page.media(prefers_color_scheme="dark")
    for name in ("models", "jobs"):
        page.js("document.getElementById(arguments[0]).scrollIntoView({behavior: 'instant'})", name)
        page.shot(f"phone-{name}-dark")
    page.media(prefers_color_scheme="light")
    page.button("cat.jpg", "Compare").click()
    check("nor in the viewer", page.js("return document.getElementById('viewer').scrollWidth") <= 360)
    page.shot("phone-compare")
    page.one("#viewer-close").click()
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.driver.set_window_size(1200, 900)
    page.media(prefers_color_scheme="dark")
    ground = page.js("return getComputedStyle(document.body).backgroundColor")
    check("dark where the system is", ground == "rgb(18, 20, 23)", ground)
    page.shot("dark")
    accessible(page, "dark")
    page.media(prefers_color_scheme="light")


def keyboard(page):
    page.open()
    page.one("#files").send_keys(str(REPOSITORY / "samples" / "cat.jpg"))
    body, reached = page.one("body"), []
    page.js("document.activeElement.blur()")
    for _ in range(60):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        name = page.js("const e = document.activeElement; return e.id || e.name || e.textContent.trim() || e.tagName")
        reached.append(name)
        if name == "start":
            break
    check(
        "Tab reaches the button", {"files", "model", "scale", "denoise", "format", "start"} <= set(reached), reached
    )
    ActionChains(page.driver).send_keys(Keys.ENTER).perform()
    until(lambda: len([li for li in page.all("#jobs li.done") if "cat.jpg" in li.text]) == 2, 120)
    page.button("cat.jpg", "Compare").send_keys(Keys.ENTER)
    check("Enter opens", until(lambda: page.one("#viewer").get_attribute("open")))
    ActionChains(page.driver).send_keys("1").perform()
    check("1 is one to one", page.one("#zoom-value").text == "100 %", page.one("#zoom-value").text)
    ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
    check("Escape closes", until(lambda: not page.one("#viewer").get_attribute("open")))
    check("there is one body", body is not None)


def axe_core(folder):
    """The path of axe.min.js, or nothing."""
    if os.environ.get("ENLARGE_AXE"):
        return os.environ["ENLARGE_AXE"]
    words = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "axe-selenium-python"]
    try:
        subprocess.run(words, check=True, capture_output=True, timeout=120)
        wheel = next(pathlib.Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as file:
            name = next(n for n in file.namelist() if n.endswith("/axe.min.js"))
            return file.extract(name, folder)
    except (OSError, StopIteration, subprocess.SubprocessError):
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--shots")
    o = parser.parse_args()
    if webdriver is None or not shutil.which("chromedriver") or not shutil.which("chromium"):
        print("SKIPPED: the page in a browser: chromium, chromium-driver or python3-selenium is not installed")
        print("(apt-get install chromium chromium-driver python3-selenium)")
        print("0 checks, 0 failures")
        return 0
    with tempfile.TemporaryDirectory() as downloads, Server(o.program) as server:
        axe = axe_core(downloads)
        os.environ["ENLARGE_AXE"] = axe or ""
        if not axe:
            print("SKIPPED: axe-core: the Python index does not give axe-selenium-python, and ENLARGE_AXE is not set")
        began = time.monotonic()
        server.get("/")
        print(f"the page took {1000 * (time.monotonic() - began):.1f} ms")
        driver = start_browser(downloads)
        page = Page(driver, server, o.shots)
        page.downloads = pathlib.Path(downloads)
        try:
            for step in (
                a_picture,
                a_part,
                touched,
                pasted,
                cancelled,
                clip,
                other_formats,
                all_at_once,
                tabs_and_reloads,
                small_and_dark,
                keyboard,
            ):
                step(page)
            errors = [
                e["message"]
                for e in driver.get_log("browser")
                if e["level"] == "SEVERE"  # of a server that was stopped it may
                and not any(w in e["message"] for w in ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING"))
            ]
            check("the browser complains of nothing", not errors, errors)
            a_token(page, o.program)
            behind_a_proxy(page, o.program)
        except Exception as error:  # noqa: BLE001
            page.shot("failed")
            check(f"the test goes through: {error!r}", False)
        finally:
            driver.quit()
    return finish()


sys.exit(main())
