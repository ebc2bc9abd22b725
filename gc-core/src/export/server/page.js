"use strict";
// Asks for /data once a second and draws the last two minutes.
const KEEP = 120;
const history = [];
const byId = (id) => document.getElementById(id);
const bytes = (n) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 1000 && at < units.length - 1) { n /= 1000; at++; }
  return `${at === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${units[at]}`;
};
const count = (n) => n.toLocaleString("en");
const time = (ms) => (ms >= 1 ? `${ms.toFixed(1)} ms` : `${(ms * 1000).toFixed(1)} µs`);

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function table(id, heads, rows) {
  const body = byId(id);
  body.replaceChildren();
  const head = element("tr", "", body);
  heads.forEach((text) => element("th", text, head));
  rows.forEach((cells) => {
    const row = element("tr", "", body);
    cells.forEach((text, i) => { const cell = element("td", text, row); if (i === 0) cell.title = text; });
  });
}

// Lines over time; each has its own scale if `apart`, else they share one.
function chart(id, lines, show, apart) {
  const svg = byId(id);
  const width = 600, height = 144, top = 16;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.replaceChildren();
  const make = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    svg.append(made);
    return made;
  };
  const most = (values) => Math.max(...values.filter(Number.isFinite), 1e-9);
  const shared = most(lines.flatMap((line) => line.values));
  make("line", { x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 });
  lines.forEach((line) => {
    const scale = apart ? most(line.values) : shared;
    const points = line.values.map((value, i) => {
      const x = width - (line.values.length - 1 - i) * (width / (KEEP - 1));
      const y = height - 1 - (Number.isFinite(value) ? value : 0) / scale * (height - top);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    if (points.length > 1) make("path", { d: `M${points.join("L")}`, class: line.style });
  });
  svg.previousElementSibling.querySelector(".scale").textContent = show(lines, shared);
}

function draw(now) {
  history.push({ ...now, at: performance.now() / 1000 });
  if (history.length > KEEP) history.shift();
  const before = history[history.length - 2];
  const seconds = before ? now_at() - before.at : 1;
  const per = (name) => (before ? Math.max(0, now[name] - before[name]) / seconds : 0);
  byId("number").textContent = now.heap;
  byId("state").textContent = now.in_cycle ? "a cycle runs" : "live";
  const tiles = [
    ["in spans", bytes(now.heap_bytes)], ["live", bytes(now.live_bytes)],
    ["objects", count(now.live_objects)], ["goal", bytes(now.goal_bytes)],
    ["memory limit", now.memory_limit === null ? "none" : bytes(now.memory_limit)],
    ["outside", bytes(now.external_bytes)], ["allocated", `${bytes(per("allocated_bytes"))}/s`],
    ["cycles", count(now.cycles)], ["threads", count(now.threads)],
    ["stragglers", count(now.stragglers) + (now.straggler_ms > 0 ? `, last ${time(now.straggler_ms)}` : "")],
    ["waiting to be dropped", count(now.undropped)],
  ];
  byId("tiles").replaceChildren();
  tiles.forEach(([name, value]) => {
    const tile = element("div", "", byId("tiles"));
    element("b", value, tile);
    element("span", name, tile);
  });
  const all = (name) => history.map((row) => row[name]);
  const rate = (name, by) => history.map((row, i) => {
    const last = history[i - 1];
    return last ? Math.max(0, row[name] - last[name]) / (row.at - last.at) / by : 0;
  });
  chart("size", [
    { values: all("heap_bytes"), style: "a" }, { values: all("live_bytes"), style: "b" },
    { values: all("goal_bytes"), style: "c" },
  ], (_, most) => `· top ${bytes(most)}, two minutes`, false);
  chart("cpu", [
    { values: rate("collector_cpu", 1), style: "a" }, { values: rate("allocated_bytes", 1e9), style: "b" },
  ], (lines) => `· tops ${lines.map((line) => Math.max(...line.values).toFixed(2)).join(" and ")}`, true);
  table("pauses", ["kind", "count", "p50", "p99", "max"], now.pauses.map((row) =>
    [row.kind, count(row.count), time(row.p50), time(row.p99), time(row.max)]));
  byId("utilisation").textContent = "Left to a thread at least: " + now.utilisation
    .map((of) => `${(of.least * 100).toFixed(1)} % of ${of.ms} ms`).join(", ");
  byId("worst").replaceChildren();
  now.worst.forEach((line) => element("li", line, byId("worst")));
  table("classes", ["type", "slot", "objects", "live", "in spans", "spans", "cached", "full"], now.classes.map((row) =>
    [row.array ? `[${row.type}]` : row.type, row.slot ? bytes(row.slot) : "own span", count(row.objects),
      bytes(row.live), bytes(row.bytes), count(row.spans), count(row.cached), count(row.full)]));
  byId("profile").textContent = now.profile ? "" : "(off: HeapBuilder::profile_rate turns it on)";
}

function now_at() { return performance.now() / 1000; }

async function look() {
  try {
    const answer = await fetch("/data");
    if (!answer.ok) throw new Error(await answer.text());
    draw(await answer.json());
  } catch (error) {
    byId("state").textContent = `no answer: ${error.message}`;
  }
  setTimeout(look, 1000);
}
look();
