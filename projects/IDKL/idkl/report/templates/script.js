"use strict";

// Tables: the head of a column sorts by it, numbers as numbers; again, the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  for (const button of table.querySelectorAll("button.sort")) {
    button.addEventListener("click", () => sortBy(table, button.closest("th")));
  }
}

function sortBy(table, head) {
  const column = head.cellIndex;
  const cells = [...table.tBodies[0].rows].map((row) => row.cells[column]);
  const isNumber = cells.some((cell) => cell.dataset.value);
  const ascending = head.hasAttribute("aria-sort") ? head.getAttribute("aria-sort") === "descending" : !isNumber;
  const key = (row) => {
    const cell = row.cells[column];
    return isNumber ? (cell.dataset.value ? Number(cell.dataset.value) : NaN) : cell.textContent.trim();
  };
  const compare = (a, b) => (isNumber ? a - b : a.localeCompare(b, "en", { numeric: true }));
  const rows = [...table.tBodies[0].rows].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b)); // missing last
    return ascending ? compare(a, b) : compare(b, a);
  });
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  table.tBodies[0].append(...rows);
}

// Charts: the value at the pointer, or at the arrow keys' step, stands in the caption.
for (const chart of document.querySelectorAll(".chart")) {
  const svg = chart.querySelector("svg");
  const output = chart.querySelector("output");
  const cursor = svg.querySelector(".cursor");
  const [left, right, last] = ["left", "right", "last"].map((name) => Number(svg.dataset[name]));
  const lines = [...svg.querySelectorAll(".line")].map((line) => ({
    run: line.dataset.run,
    steps: line.dataset.steps.split(" ").map(Number),
    values: line.dataset.values.split(" "),
  }));
  const usual = output.textContent;
  let place = lines[0].steps.length - 1;
  svg.tabIndex = 0;

  const show = (step) => {
    const at = left + ((right - left) * step) / last;
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
    const parts = lines.map((line) => {
      const i = nearest(line.steps, step);
      return `${"named" in svg.dataset ? `${line.run}: ` : ""}${line.values[i]} at step ${line.steps[i]}`;
    });
    output.textContent = parts.join("; ");
  };
  const hide = () => {
    output.textContent = usual;
    for (const name of ["x1", "x2"]) cursor.setAttribute(name, -9);
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const step = ((x - left) / (right - left)) * last;
    place = nearest(lines[0].steps, step);
    show(lines[0].steps[place]);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    place = Math.min(Math.max(place + move, 0), lines[0].steps.length - 1);
    show(lines[0].steps[place]);
  });
}

function nearest(steps, step) {
  let best = 0;
  steps.forEach((other, i) => {
    if (Math.abs(other - step) < Math.abs(steps[best] - step)) best = i;
  });
  return best;
}

// The rank list viewer.
const stored = document.getElementById("viewer-data");
if (stored) startViewer(JSON.parse(stored.textContent));

function startViewer(data) {
  const byId = (id) => document.getElementById(id);
  const [picker, lists, camera, outcome, order, judge] = ["queries", "lists", "camera", "outcome", "order", "judge"].map(byId);
  let shown = [];
  let chosen = 0;

  camera.append(new Option("all", ""));
  for (const number of [...new Set(data.queries.map((query) => query.camera))].sort((a, b) => a - b)) {
    camera.append(new Option(String(number), String(number)));
  }
  for (const field of [camera, outcome, order, judge]) field?.addEventListener("change", filter);
  byId("previous").addEventListener("click", () => choose(chosen - 1));
  byId("next").addEventListener("click", () => choose(chosen + 1));
  picker.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(Number(option.dataset.place), true);
  });
  picker.addEventListener("keydown", (event) => {
    const across = getComputedStyle(picker).gridTemplateColumns.split(" ").length;
    const place = {
      ArrowLeft: chosen - 1, ArrowRight: chosen + 1, ArrowUp: chosen - across, ArrowDown: chosen + across,
      Home: 0, End: shown.length - 1,
    }[event.key];
    if (place === undefined) return;
    event.preventDefault();
    choose(place, true);
  });
  byId("viewer").hidden = false;
  filter();

  function filter() {
    const run = judge ? Number(judge.value) : 0;
    shown = data.queries.filter((query) => {
      const first = query.results[run]?.found[0];
      return (!camera.value || String(query.camera) === camera.value)
        && (!outcome.value || (first && first.right === (outcome.value === "right")));
    });
    const precision = (query) => query.results[run]?.ap ?? -1;
    if (order.value === "best") shown.sort((a, b) => precision(b) - precision(a));
    if (order.value === "person") shown.sort((a, b) => a.pid - b.pid || a.camera - b.camera);
    picker.replaceChildren(...shown.map((query, place) => {
      const option = element("div", { role: "option", id: `query-${place}` });
      option.dataset.place = place;
      option.append(picture(query, `person ${query.pid}, camera ${query.camera}, ${query.modality}`));
      return option;
    }));
    byId("count").textContent = `${shown.length} ${shown.length === 1 ? "query" : "queries"}`;
    lists.replaceChildren();
    choose(0);
  }

  function choose(place, focus = false) {
    if (!shown.length) return;
    picker.children[chosen]?.removeAttribute("aria-selected");
    picker.children[chosen]?.setAttribute("tabindex", "-1");
    chosen = Math.min(Math.max(place, 0), shown.length - 1);
    const option = picker.children[chosen];
    option.setAttribute("aria-selected", "true");
    option.tabIndex = 0;
    if (focus) option.focus({ preventScroll: true });
    scrollInto(option);
    const query = shown[chosen];
    const asked = element("div", { class: "asked" });
    const words = element("p");
    words.append(element("b", {}, `Person ${query.pid}`), element("br"), `camera ${query.camera}, ${query.modality}`);
    asked.append(picture(query, `query: person ${query.pid}`), words);
    lists.replaceChildren(asked, ...query.results.flatMap((result, run) => list(result, data.runs[run])));
  }

  function scrollInto(option) {
    const top = option.offsetTop - picker.offsetTop;
    if (top < picker.scrollTop) picker.scrollTop = top - 6;
    const bottom = top + option.offsetHeight;
    if (bottom > picker.scrollTop + picker.clientHeight) picker.scrollTop = bottom - picker.clientHeight + 6;
  }

  function list(result, run) {
    const parts = data.runs.length > 1 ? [element("h3", {}, run)] : [];
    if (!result) return [...parts, element("p", {}, "This run was not tested on this image.")];
    const hidden = result.hidden ? ` ${result.hidden} gallery images do not count for it, by the protocol's rule on cameras.` : "";
    const come = result.first === 1 ? "The first image is right"
      : data.people ? `The right person is number ${result.first} of the people found`
      : `The first right image is number ${result.first}`;
    parts.push(element("p", {}, `${come}; average precision ${result.ap} %.${hidden}`));
    const found = element("ol", { class: "found" });
    result.found.forEach((image, i) => {
      const word = image.right ? "✓ right" : "✗ wrong";
      const item = element("li", { class: image.right ? "right" : "wrong" });
      const frame = element("div", { class: "frame" });
      frame.append(picture(image, `rank ${i + 1}: person ${image.pid}, ${word.slice(2)}`));
      frame.append(element("i", {}, String(i + 1)), element("b", {}, word[0]));
      item.append(frame, element("span", { class: "verdict-word" }, word), element("br"));
      item.append(`person ${image.pid}`, element("br"), `camera ${image.camera}`, element("br"));
      item.append(image.modality, element("br"), `cosine ${image.cosine.toFixed(2)}`);
      found.append(item);
    });
    return [...parts, found];
  }

  function picture(image, alt) {
    return element("img", { src: data.thumbnails[image.image], alt, decoding: "async" });
  }
}

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}
