import re
from dataclasses import replace

import numpy as np
import pytest

from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN
from skuad.inspection import CategoryReport, write_report
from skuad.inspection._report_intervals import wilson_interval

DATA = make_defect_images("brushed", n_train=9, n_good=5, n_defective=7, size=48)
EVIL = "<script>document.title = 'evil'</script><img src=x onerror=alert(1)>\"'&"


@pytest.fixture(scope="module")
def report():
    detector = PatchKNN(coreset="random", false_alarm_rate=0.2, random_state=0)
    return CategoryReport.from_estimator(
        detector.fit(DATA.train),
        DATA.test,
        DATA.masks,
        name="brushed",
        types=DATA.defect_type,
        n_resamples=20,
        n_examples=4,
        model="0123abcd" * 8,
    )


@pytest.fixture(scope="module")
def evil(report):
    """A report in which everything that can be named has a harmful name."""
    types = [f"{EVIL}{name}" for name in report.types]
    estimates = {
        name if name == "all" else f"{EVIL}{name}": values
        for name, values in report.estimates.items()
    }
    return replace(
        report,
        name=EVIL,
        names=[f"{EVIL}</script>{i}" for i in range(len(report.names))],
        types=types,
        estimates=estimates,
        threshold=None,
        settings={EVIL: EVIL},
        facts=[(EVIL, EVIL)],
    )


@pytest.fixture(scope="module")
def page(report, evil, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, [report, evil], title=f"Line 3 {EVIL}")
    return path


def counts(browser, section=0):
    """Read the counts that a section shows."""
    return browser.run(
        f"""Object.fromEntries(
          [...document.querySelectorAll("section")[{section}]
            .querySelectorAll("[data-count]")]
          .map((place) => [place.dataset.count, place.textContent]))"""
    )


def move_slider(browser, value):
    browser.run(
        f"""(() => {{
          const slider = document.querySelector("input[type=range]");
          slider.value = {value!r};
          slider.dispatchEvent(new Event("input"));
        }})()"""
    )


def expected(report, threshold):
    good, bad = (report.scores[report.labels == kind] for kind in (1, -1))
    found, alarms = int((bad > threshold).sum()), int((good > threshold).sum())

    def share(count, total):
        values = [100 * v for v in (count / total, *wilson_interval(count, total))]
        return "{:.1f}% ({:.1f}% to {:.1f}%)".format(*values)

    return {
        "found": str(found),
        "missed": str(len(bad) - found),
        "alarms": str(alarms),
        "passed": str(len(good) - alarms),
        "found-rate": share(found, len(bad)),
        "alarm-rate": share(alarms, len(good)),
    }


def slider_range(browser):
    return browser.run(
        """(() => { const s = document.querySelector("input[type=range]");
                    return [Number(s.min), Number(s.max)]; })()"""
    )


def test_the_slider_changes_the_counts(chromium, page, report):
    chromium.open(page)
    assert counts(chromium) == expected(report, report.threshold)
    ordered = np.sort(report.scores)
    seen = set()
    _, high = slider_range(chromium)
    for threshold in (ordered[:-1] + ordered[1:]) / 2:
        if threshold > high:
            break
        move_slider(chromium, float(threshold))
        assert counts(chromium) == expected(report, threshold)
        seen.add(counts(chromium)["found"])
    assert len(seen) > 3
    middle = float(np.quantile(report.scores[report.labels == -1], 0.25)) + 1e-6
    assert middle < high
    move_slider(chromium, middle)
    badges = chromium.run(
        """[...document.querySelector("section").querySelectorAll("figure.picture")]
           .map((f) => [Number(f.dataset.index), f.querySelector(".badge").textContent])"""
    )
    assert len(badges) == 8
    for index, badge in badges:
        words = (
            ("found", "missed")
            if report.labels[index] == -1
            else ("false alarm", "passed")
        )
        assert badge == words[0 if report.scores[index] > middle else 1]
    by_type = chromium.run(
        """Object.fromEntries(
          [...document.querySelector("section").querySelectorAll("[data-type]")]
          .map((cell) => [cell.dataset.type, cell.textContent]))"""
    )
    types, bad = np.array(report.types), report.labels == -1
    for name, text in by_type.items():
        of = report.scores[bad & (True if name == "all" else types == name)]
        assert text == f"{(of > middle).sum()} of {len(of)}"
    chromium.run('document.querySelector("button.reset").click()')
    assert counts(chromium) == expected(report, report.threshold)
    assert chromium.errors() == []


def test_a_real_key_and_a_typed_number_move_the_threshold(chromium, page, report):
    chromium.open(page)
    chromium.run('document.querySelector("input[type=range]").focus()')
    chromium.press("End")
    _, high = slider_range(chromium)
    assert counts(chromium) == expected(report, high)
    assert counts(chromium)["alarms"] == "0"
    threshold = float(np.median(report.scores))
    chromium.run(
        f"""(() => {{
          const number = document.querySelector("input[type=number]");
          number.value = "{threshold:.5g}";
          number.dispatchEvent(new Event("input"));
        }})()"""
    )
    assert counts(chromium) == expected(report, float(f"{threshold:.5g}"))
    slider = chromium.run('document.querySelector("input[type=range]").valueAsNumber')
    assert slider == pytest.approx(threshold, rel=1e-4)


def test_the_marks_in_the_charts_follow_the_slider(chromium, page, report):
    chromium.open(page)
    good, bad = (report.scores[report.labels == kind] for kind in (1, -1))
    threshold = float(np.quantile(bad, 0.25)) + 1e-6
    move_slider(chromium, threshold)
    x, y = chromium.run(
        """(() => {
          const point = document.querySelector("svg .operating");
          const [x0, y0, x1, y1] = point.closest("svg").dataset.box.split(" ");
          return [(point.getAttribute("cx") - x0) / (x1 - x0),
                  (y1 - point.getAttribute("cy")) / (y1 - y0)];
        })()"""
    )
    assert (x, y) == pytest.approx(
        ((good > threshold).mean(), (bad > threshold).mean())
    )
    shift = chromium.run(
        """document.querySelector("svg .cut").getAttribute("transform")"""
    )
    low, high = slider_range(chromium)
    width = 368 - 52
    assert float(re.search(r"[\d.]+", shift)[0]) == pytest.approx(
        width * (threshold - low) / (high - low), abs=0.1
    )


def test_images_load_and_open_large(chromium, page):
    chromium.open(page)
    widths = chromium.run(
        """Promise.all([...document.querySelectorAll("figure.picture img")]
           .map((image) => image.decode().then(() => image.naturalWidth)))"""
    )
    assert len(widths) == 2 * 2 * 8
    assert min(widths) > 0
    figures = 'document.querySelectorAll("figure.picture")'
    chromium.run(f'{figures}[1].querySelector("button").click()')
    large = """(() => { const zoom = document.getElementById("zoom");
      return {open: zoom.open, text: zoom.querySelector("p").textContent,
              sources: [...zoom.querySelectorAll("img")].map((i) => i.src)}; })()"""

    def sources(number):
        return chromium.run(
            f'[...{figures}[{number}].querySelectorAll("img")].map((i) => i.src)'
        )

    shown = chromium.run(large)
    assert shown["open"] and shown["sources"] == sources(1)
    assert "score" in shown["text"]
    chromium.press("ArrowRight")
    assert chromium.run(large)["sources"] == sources(2)
    chromium.run('document.querySelector("#zoom .previous").click()')
    chromium.run('document.querySelector("#zoom .previous").click()')
    chromium.run('document.querySelector("#zoom .previous").click()')
    assert chromium.run(large)["sources"] == sources(3)  # round, within its gallery
    chromium.press("Escape")
    chromium.run("new Promise(requestAnimationFrame)")
    assert not chromium.run(large)["open"]
    assert chromium.errors() == []


def test_harmful_names_are_only_text_and_nothing_is_fetched(chromium, page):
    chromium.open(page)
    assert chromium.run("document.title") == f"Line 3 {EVIL}"
    assert chromium.run('document.querySelectorAll("h2")[1].textContent') == EVIL
    assert chromium.run('document.querySelectorAll("script").length') == 3
    assert chromium.run('document.querySelectorAll("img[onerror]").length') == 0
    assert int(counts(chromium, 1)["found"]) >= 0  # its data were read
    assert chromium.fetched() == [page.as_uri()]
    assert chromium.errors() == []


def test_no_script_runs_but_the_pages_own(chromium, page, tmp_path):
    text = page.read_text(encoding="utf-8")
    path = tmp_path / "injected.html"
    path.write_text(text.replace("<main>", "<script>window.x = 1</script><main>"))
    chromium.open(path)
    assert chromium.run("window.x") is None
    assert "Content Security Policy" in str(chromium.errors())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(chromium, page, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chromium.call("Emulation.setEmulatedMedia", features=features)
    chromium.open(page)
    contrasts = chromium.run(
        """(() => {
          const parse = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = (text) => {
            const [r, g, b] = parse(text).map((v) => v / 255).map(
              (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const behind = (element) => {
            for (let e = element; e; e = e.parentElement) {
              const color = getComputedStyle(e).backgroundColor;
              if ((parse(color)[3] ?? 1) > 0) return color;
            }
          };
          return [...document.querySelectorAll("h1, p, td, th, dt, dd, .badge, svg text")]
            .map((e) => {
              const style = getComputedStyle(e);
              const ink = e instanceof SVGElement ? style.fill : style.color;
              const [a, b] = [light(ink), light(behind(e))].sort((a, b) => b - a);
              return (a + 0.05) / (b + 0.05);
            });
        })()"""
    )
    chromium.call("Emulation.setEmulatedMedia", features=[])
    assert len(contrasts) > 100
    assert min(contrasts) > 4.5  # WCAG 2.2, level AA


def test_everything_has_a_name_for_those_who_do_not_see_it(chromium, page):
    chromium.open(page)
    tree = chromium.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "image", "slider", "spinbutton", "dialog", "columnheader")
    nodes = [n for n in tree if n.get("role", {}).get("value") in roles]
    found = {node["role"]["value"] for node in nodes}
    assert {"button", "image", "slider", "spinbutton"} <= found
    assert all(node["name"]["value"].strip() for node in nodes)


@pytest.mark.parametrize("width", [360, 1280])
def test_a_narrow_screen_need_not_be_scrolled_sideways(chromium, page, width):
    chromium.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=800,
        deviceScaleFactor=1,
        mobile=False,
    )
    chromium.open(page)
    whole = chromium.run("document.documentElement.scrollWidth")
    chromium.call("Emulation.clearDeviceMetricsOverride")
    assert whole <= width


def test_it_prints_with_settings_opened_and_without_the_slider(chromium, page):
    chromium.open(page)
    chromium.run('dispatchEvent(new Event("beforeprint"))')
    assert chromium.run('document.querySelector("details").open')
    chromium.call("Emulation.setEmulatedMedia", media="print")
    display = chromium.run(
        'getComputedStyle(document.querySelector("input[type=range]")).display'
    )
    chromium.call("Emulation.setEmulatedMedia", media="")
    assert display == "none"


def test_no_column_of_the_table_is_lost_on_paper(chromium, page):
    chromium.call("Emulation.setEmulatedMedia", media="print")
    chromium.call(
        "Emulation.setDeviceMetricsOverride",
        width=718,  # A4 with the browser's margins
        height=1000,
        deviceScaleFactor=1,
        mobile=False,
    )
    chromium.open(page)
    right = chromium.run(
        """Math.max(...[...document.querySelectorAll("th, td")].map(
             (cell) => cell.getBoundingClientRect().right))"""
    )
    chromium.call("Emulation.clearDeviceMetricsOverride")
    chromium.call("Emulation.setEmulatedMedia", media="")
    assert right <= 718


# ---- the file, without a browser -----------------------------------------------------


def test_the_table_and_the_hashes(page, report):
    text = page.read_text(encoding="utf-8")
    value, low, high = report.estimates["all"]["aupro"]
    assert f"<td>{value:.3f}<small>{low:.3f} to {high:.3f}</small></td>" in text
    flagged = int((report.scores[report.labels == 1] > report.threshold).sum())
    assert f"{flagged} of 5<small>" in text
    assert "0123abcd" * 8 in text
    assert "<code>PatchKNN</code>" in text
    for address in re.findall(r"(?:src|href)=\"?([^\" >]*)", text):
        assert address.startswith("data:") or "&lt;" in address or address == "x"


def test_pictures_shrink_until_the_file_is_small_enough(report, tmp_path):
    path = tmp_path / "r.html"
    write_report(path, [report] * 3)
    large = path.stat().st_size
    write_report(path, [report] * 3, max_megabytes=0.5)
    assert path.stat().st_size < 500_000 < large
    with pytest.raises(ValueError, match="raise it, or make the reports with fewer"):
        write_report(path, [report] * 3, max_megabytes=0.15)
    assert path.stat().st_size < 500_000  # the old one is still there


def test_a_report_without_pictures_masks_or_curves(report, tmp_path):
    bare = replace(
        report,
        estimates={"all": {}},
        n_unknown=3,
        curves={},
        pictures={"anomalous": [], "good": []},
        scores=np.zeros(12),
        threshold=None,
        settings={},
        facts=[],
        model=None,
    )
    write_report(tmp_path / "r.html", bare)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "There are no good images to show" in text
    assert "this one is arbitrary" in text
    assert "3 anomalous images without a mask: for image metrics only" in text
    assert "<details>" not in text


def test_names_of_files_may_be_any_bytes(report, tmp_path):
    names = ["t\udcfcr.png", *report.names[1:]]
    write_report(tmp_path / "r.html", replace(report, names=names))
    assert "r.png" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_no_report_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="reports is empty"):
        write_report(tmp_path / "r.html", [])


def test_a_defect_nobody_would_miss_leaves_room_for_the_others(report, tmp_path):
    scores = report.scores.copy()
    good = scores[report.labels == 1]
    scores[np.argmax(scores)] = 100 * good.max()
    write_report(tmp_path / "r.html", replace(report, scores=scores))
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    low, high = map(float, re.search(r'min="(\S+)" max="(\S+)"', text).groups())
    modest = max(good.max(), report.threshold)
    assert low + 4 * (modest - low) == pytest.approx(high)
    bars = re.findall(r"<title>(\d+) (?:good|anomalous), score \S+ to ([\d.]+)<", text)
    assert sum(int(count) for count, _ in bars) == len(scores)
    assert bars[-1][1] == f"{scores.max():.4g}"
    assert re.search(rf">{re.escape(f'{high:.3g}')}\+</text>", text)
