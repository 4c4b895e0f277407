"use strict";
{
  const Z = 1.959963984540054; // 95 %
  const percent = (share) => (100 * share).toFixed(1) + "%";

  // Wilson's score interval, as in the table above.
  function wilson(count, total) {
    const share = count / total, z2 = Z * Z / total;
    const middle = (share + z2 / 2) / (1 + z2);
    const half = Z * Math.sqrt(share * (1 - share) / total + z2 / total / 4) / (1 + z2);
    return [Math.max(0, Math.min(middle - half, share)),
            Math.min(1, Math.max(middle + half, share))];
  }

  function rate(count, total) {
    if (!total) return "–";
    const [low, high] = wilson(count, total);
    return `${percent(count / total)} (${percent(low)} to ${percent(high)})`;
  }

  for (const section of document.querySelectorAll("section.category")) {
    const data = JSON.parse(section.querySelector("script.data").textContent);
    const slider = section.querySelector("input[type=range]");
    const number = section.querySelector("input[type=number]");
    const say = (name, text) => {
      const place = section.querySelector(`[data-count="${name}"]`);
      if (place) place.textContent = text;
    };

    const update = (threshold) => {
      const flagged = data.scores.map((score) => score > threshold);
      const count = (label, flag) => data.labels.filter(
        (value, i) => value === label && flagged[i] === flag).length;
      const found = count(-1, true), missed = count(-1, false);
      const alarms = count(1, true), passed = count(1, false);
      say("found", found);
      say("missed", missed);
      say("alarms", alarms);
      say("passed", passed);
      say("found-rate", rate(found, found + missed));
      say("alarm-rate", rate(alarms, alarms + passed));
      for (const cell of section.querySelectorAll("[data-type]")) {
        const of = data.types.map((type, i) => i).filter(
          (i) => data.labels[i] === -1 &&
                 (cell.dataset.type === "all" || data.types[i] === cell.dataset.type));
        cell.textContent = `${of.filter((i) => flagged[i]).length} of ${of.length}`;
      }
      for (const figure of section.querySelectorAll("figure.picture")) {
        const i = Number(figure.dataset.index), bad = data.labels[i] === -1;
        const wrong = flagged[i] !== bad;
        const badge = figure.querySelector(".badge");
        badge.textContent = bad ? (wrong ? "missed" : "found")
                                : (wrong ? "false alarm" : "passed");
        badge.classList.toggle("wrong", wrong);
      }
      const cut = section.querySelector("svg .cut");
      const [left, , right] = box(cut);
      const share = (threshold - data.low) / (data.high - data.low);
      const shift = Math.max(0, Math.min(1, share)) * (right - left);
      for (const part of section.querySelectorAll("svg .cut, svg .cut-label"))
        part.setAttribute("transform", `translate(${shift.toFixed(1)} 0)`);
      const point = section.querySelector("svg .operating");
      if (point) {
        const [x0, y0, x1, y1] = box(point);
        point.setAttribute("cx", x0 + alarms / (alarms + passed) * (x1 - x0));
        point.setAttribute("cy", y1 - found / (found + missed) * (y1 - y0));
      }
    };
    const box = (part) => part.closest("svg").dataset.box.split(" ").map(Number);

    const set = (threshold) => {
      slider.value = threshold;
      number.value = Number(threshold.toPrecision(6));
      update(threshold);
    };
    slider.addEventListener("input", () => {
      number.value = Number(slider.valueAsNumber.toPrecision(6));
      update(slider.valueAsNumber);
    });
    number.addEventListener("input", () => {
      if (Number.isNaN(number.valueAsNumber)) return; // while it is typed
      slider.value = number.value;
      update(number.valueAsNumber);
    });
    section.querySelector("button.reset").addEventListener(
      "click", () => set(data.start));
    set(data.start);
  }

  const zoom = document.getElementById("zoom");
  let shown = null;
  function show(figure) {
    shown = figure;
    const [image, heat] = figure.querySelectorAll("img");
    const large = zoom.querySelectorAll("img");
    [image, heat].forEach((from, i) => {
      large[i].src = from.src;
      large[i].alt = from.alt;
    });
    zoom.querySelector("p").textContent = figure.querySelector("figcaption").innerText;
    if (!zoom.open) zoom.showModal();
  }
  function step(by) {
    const all = [...shown.parentElement.querySelectorAll("figure.picture")];
    show(all[(all.indexOf(shown) + by + all.length) % all.length]);
  }
  for (const figure of document.querySelectorAll("figure.picture"))
    figure.querySelector("button").addEventListener("click", () => show(figure));
  zoom.querySelector(".previous").addEventListener("click", () => step(-1));
  zoom.querySelector(".next").addEventListener("click", () => step(1));
  zoom.querySelector(".close").addEventListener("click", () => zoom.close());
  zoom.addEventListener("click", (event) => {
    if (event.target === zoom) zoom.close();
  });
  zoom.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  zoom.addEventListener("close", () => shown.querySelector("button").focus());
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
}
