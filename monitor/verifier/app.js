// The page: takes a file, shows the verdict and the month.
"use strict";

const $ = (id) => document.getElementById(id);
const state = { lang: (navigator.language || "en").startsWith("de") ? "de" : "en", file: null, name: "", result: null };

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children.filter((one) => one !== null));
  return node;
}

function known() {
  const found = { keys: [], notes: [], certificates: [], contract: $("contract").value.trim() ? $("contract").value : null };
  let typed = $("key").value;
  typed = typed.replace(/-----BEGIN CERTIFICATE-----([\s\S]*?)-----END CERTIFICATE-----/g, (_, body) => {
    found.certificates.push(unbase64(body.replace(/\s/g, "")));
    return "";
  });
  const [lines, ...notes] = `\n${typed}`.replaceAll("\r\n", "\n").split("\n---\n");
  found.keys = lines.split("\n").map((one) => one.trim()).filter((one) => one && !one.startsWith("#")).map(parseKey);
  found.notes = notes.map((one) => `${one.replace(/\n+$/, "")}\n`);
  return found;
}

async function check() {
  if (!state.file) return;
  let given;
  $("problem").hidden = true;
  try { given = known(); } catch { $("problem").hidden = false; $("problem").textContent = say(state.lang, "bad_key"); return; }
  $("result").hidden = false;
  $("verdict").className = "verdict working";
  $("verdict").replaceChildren(make("h2", {}, say(state.lang, "working")));
  await new Promise((done) => setTimeout(done, 20)); // let the page say so
  state.result = await verify(state.file, given);
  show();
}

const inLanguage = (number) => (state.lang === "de" ? number.replace(".", ",") : number);
function length(ms) {
  if (ms % 1000 && ms < 60000) return `${inLanguage((ms / 1000).toFixed(3))} s`;
  const parts = [];
  let rest = Math.floor(ms / 1000);
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  return parts.join(" ") || "0 s";
}
const percent = (ratio) => { // cut, never rounded up
  if (ratio === null) return "–";
  const digits = ratio.replace(".", ""), whole = String(Number(digits.slice(0, 3))), rest = digits.slice(3, 7);
  return `${inLanguage(`${whole}.${rest}`)} %`;
};
const time = (at) => new Date(at).toISOString().slice(0, 19).replace("T", " ");

function show() {
  const { lang, result } = state, { status, steps, facts } = result;
  const kind = { VALID: "valid", "VALID BUT": "but", INVALID: "invalid" }[status];
  $("verdict").className = `verdict ${kind}`;
  const places = status === "INVALID" ? [...new Set(steps.filter((one) => one.state === "bad").map((one) => one.place))]
    : steps.filter((one) => one.state === "but").map((one) => say(lang, `step_${one.step}`));
  $("verdict").replaceChildren(
    make("p", { class: "mark", "aria-hidden": "true" }, { valid: "✓", but: "!", invalid: "✗" }[kind]),
    make("div", {},
      make("h2", {}, say(lang, kind)), make("p", {}, say(lang, `${kind}_text`)),
      places.length ? make("ul", {}, ...places.map((one) => make("li", {}, one))) : null));
  const head = [];
  if (facts.contract) {
    head.push(make("h2", {}, say(lang, "header", { contract: facts.contract, period: facts.period.name })));
    head.push(make("p", {}, say(lang, "by", { origin: facts.origin }), facts.revision > 1 ? ` · ${say(lang, "revision", { revision: facts.revision })}` : ""));
    if (facts.amends) head.push(make("p", {}, say(lang, "amends", { sha: facts.amends.sha256.slice(0, 16), why: facts.amends.why })),
      make("ul", {}, ...facts.amends.changes.map((one) => make("li", {}, one))));
  }
  if (result.config && result.config.generated) head.push(make("p", { class: "generated" }, say(lang, "generated")));
  $("about").replaceChildren(...head);
  $("steps").replaceChildren(...steps.map((one) => make("li", { class: one.state },
    make("span", { class: "sign", "aria-hidden": "true" }, { good: "✓", note: "·", but: "!", bad: "✗" }[one.state]),
    make("span", {}, make("strong", {}, say(lang, `step_${one.step}`)), make("span", { class: "hidden" }, ` (${say(lang, `state_${one.state}`)})`), " ",
      sentence(lang, one), one.place ? make("code", {}, one.place) : null))));
  $("facts").replaceChildren(...[["file_name", state.name], ["digest", facts.sha256 || ""]].flatMap(([name, value]) => [make("dt", {}, say(lang, name)), make("dd", {}, value)]));
  $("services").replaceChildren(...(result.services || []).map(showService));
  $("month").hidden = !result.services;
}

function showService(service) {
  const { lang, result } = state, t = (code, args) => say(lang, code, args), checks = service.unit === "check";
  const amount = (n) => (checks ? t("checks", { n }) : length(n));
  const rows = [["target", service.target ? inLanguage(service.target).replace("%", " %") : t("none")], ["availability", percent(Number(service.coverage) ? service.availability : null)], ["worst", percent(service.worst_case)],
    ["coverage", percent(service.coverage)], ["counted", amount(service.counted)], ["unknown", amount(service.unknown)], ["excluded", length(service.excluded_ms)]];
  // Where checks or seconds are counted, an outage has no share of its own in what is counted.
  const own = service.unit === "time" || service.unit === "minute", kept = (cells) => cells.filter((_, i) => own || i !== 3);
  const outages = service.outages.map((one) => make("tr", {}, ...kept([time(one.start), time(one.end), length(one.end - one.start), length(one.counted_ms), one.outcome ? named(lang, one.outcome) : "–"]).map((cell) => make("td", {}, cell))));
  return make("section", { class: "service" },
    make("h3", {}, make("span", {}, named(lang, service.service)), make("span", { class: `badge ${service.verdict}` }, t(service.verdict))),
    make("dl", { class: "figures" }, ...rows.map(([name, value]) => make("div", {}, make("dt", {}, t(name)), make("dd", {}, value)))),
    calendar(service),
    make("p", { class: "small" }, t("zone", { zone: (result.config.terms.timezone || "UTC").replace(/^[+-]/, "UTC$&") })),
    make("h4", {}, t("outages")),
    outages.length ? make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("outages") }, make("table", { class: "list" },
      make("thead", {}, make("tr", {}, ...kept(["start", "end", "length", "counts", "cause"]).map((name) => make("th", { scope: "col" }, t(name))))), make("tbody", {}, ...outages)))
      : make("p", {}, t("no_outages")));
}

function calendar(service) {
  const { lang, result } = state, t = (code, args) => say(lang, code, args), zone = result.config.terms.timezone || "UTC";
  const from = instant(result.about.period.start), to = instant(result.about.period.to), days = [];
  const local = new Date(from + offsetAt(zone, from));
  for (let y = local.getUTCFullYear(), m = local.getUTCMonth(), d = local.getUTCDate(); ; d++) {
    const start = midnight(zone, y, m, d), end = midnight(zone, y, m, d + 1), date = new Date(Date.UTC(y, m, d));
    if (start >= to) break;
    const part = [[Math.max(start, from), Math.min(end, to)]], down = intersect(service.down, part), out = intersect(down, service.out);
    const open = result.missing.some((day) => dayStart(day) < part[0][1] && dayStart(day) + DAY > part[0][0]);
    days.push({ date, down: total(down) - total(out), out: total(out), unknown: total(intersect(service.unknownSpans, part)), open });
  }
  const weeks = [];
  let week = [];
  for (let i = 0; i < (days[0].date.getUTCDay() + 6) % 7; i++) week.push(null);
  for (const day of days) { week.push(day); if (week.length === 7) { weeks.push(week); week = []; } }
  if (week.length) weeks.push([...week, ...Array(7 - week.length).fill(null)]);
  const cell = (day) => {
    if (!day) return make("td", { class: "empty" });
    const kind = day.open ? "open" : day.down ? "down" : day.out ? "out" : day.unknown ? "unknown" : "up";
    const told = [day.down && t("day_down", { t: length(day.down) }), day.out && t("day_out", { t: length(day.out) }), day.unknown && t("day_unknown", { t: length(day.unknown) }), day.open && t("day_open")].filter(Boolean);
    const most = day.down || day.out || day.unknown, brief = most ? length(most).split(" ").slice(0, 4).join(" ") : ""; // a cell is narrow
    return make("td", { class: kind, title: told.join("\n") || t("day_up") }, make("b", {}, String(day.date.getUTCDate())),
      make("span", { class: "brief", "aria-hidden": "true" }, brief), make("span", { class: "hidden" }, ` ${told.join(", ") || t("day_up")}`));
  };
  const marks = ["down", "out", "unknown", "up", "open"];
  return make("div", { class: "month" },
    make("table", { class: "calendar" }, make("caption", { class: "hidden" }, `${t("month")}: ${named(lang, service.service)}`),
      make("thead", {}, make("tr", {}, ...t("weekdays").split("|").map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...weeks.map((one) => make("tr", {}, ...one.map(cell))))),
    make("ul", { class: "legend" }, ...t("legend").split("|").map((name, i) => make("li", {}, make("i", { class: marks[i], "aria-hidden": "true" }), name))));
}

function speak() {
  document.documentElement.lang = state.lang;
  document.title = say(state.lang, "title");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = say(state.lang, node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", say(state.lang, node.dataset.label));
  for (const button of document.querySelectorAll("[data-lang]")) button.setAttribute("aria-pressed", String(button.dataset.lang === state.lang));
  if (state.result) show();
}

async function take(file) {
  if (!file) return;
  state.name = file.name;
  state.file = new Uint8Array(await file.arrayBuffer());
  await check();
  $("verdict").focus();
}

// In a frame the page around says which language and theme it has, and is told how high this one is.
function framed() {
  const root = document.documentElement;
  root.dataset.framed = "";
  addEventListener("message", (event) => {
    if (event.source !== window.parent || !event.data) return;
    if (["light", "dark"].includes(event.data.theme)) root.dataset.theme = event.data.theme; else delete root.dataset.theme;
    if (["en", "de"].includes(event.data.lang) && event.data.lang !== state.lang) { state.lang = event.data.lang; speak(); }
  });
  const tell = () => window.parent.postMessage({ height: Math.ceil(document.querySelector("main").getBoundingClientRect().height) + 4 }, "*");
  new ResizeObserver(tell).observe(document.querySelector("main"));
  setTimeout(tell, 50); // a frame below the fold is not observed until it is seen
}

addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("[data-lang]")) button.addEventListener("click", () => { state.lang = button.dataset.lang; speak(); });
  $("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
  $("file").addEventListener("change", () => take($("file").files[0]));
  $("again").addEventListener("click", check);
  if (window.parent !== window) framed();
  addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
  addEventListener("dragleave", () => $("drop").classList.remove("over"));
  addEventListener("drop", (event) => { event.preventDefault(); $("drop").classList.remove("over"); take(event.dataTransfer.files[0]); });
  speak();
});
