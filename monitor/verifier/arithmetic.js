// How downtime is counted, written from docs/arithmetic.md; sections as there. Instants are whole milliseconds.
"use strict";

const PROVIDER = ["timeout", "connect_timeout", "refused", "reset", "tls", "dns", "server_error", "wrong_answer", "protocol", "undelivered", "listed"];
const OUTCOMES = new Set(["ok", ...PROVIDER, "rejected", "throttled", "network", "local", "offline"]);
const UNKNOWN = 0, UP = 1, DOWN = 2;
const UNIT_MS = { ms: 1, s: 1000, m: 60000, h: 3600000, d: 86400000, w: 604800000 };

function duration(value) { // exact: "1.5h" is 90 minutes
  let total = 0n;
  for (const [, whole, fraction, unit] of value.replace(/ /g, "").matchAll(/(\d+)(?:\.(\d+))?(ms|s|m|h|d|w)/g)) {
    const scale = BigInt(UNIT_MS[unit]);
    total += BigInt(whole) * scale + (fraction ? BigInt(fraction) * scale / 10n ** BigInt(fraction.length) : 0n);
  }
  return Number(total);
}

const gcd = (a, b) => { while (b) [a, b] = [b, a % b]; return a < 0n ? -a : a; };
const fraction = (n, d) => { const g = gcd(n, d) || 1n; return { n: n / g, d: d / g }; };
const less = (a, b) => a.n * b.d < b.n * a.d;
function share(value) { // "99.9%" as a fraction of 1
  const [, whole, rest = ""] = /^(\d+)(?:\.(\d+))?\s*%$/.exec(value.trim());
  return fraction(BigInt(whole + rest), 100n * 10n ** BigInt(rest.length));
}
function remaining(part, whole) { // 1 - part / whole, never below 0; null with nothing to divide by
  if (!whole) return null;
  const left = BigInt(whole) - BigInt(part);
  return fraction(left < 0n ? 0n : left, BigInt(whole));
}
function cut(ratio, digits = 14) { // cut, never rounded up
  if (ratio === null) return null;
  const scaled = ratio.n * 10n ** BigInt(digits) / ratio.d, unit = 10n ** BigInt(digits);
  return `${scaled / unit}.${String(scaled % unit).padStart(digits, "0")}`;
}

// --- lists of intervals [start, end), in order

function union(spans) {
  const out = [];
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    if (start >= end) continue;
    const last = out[out.length - 1];
    if (last && start <= last[1]) last[1] = Math.max(last[1], end); else out.push([start, end]);
  }
  return out;
}
function intersect(one, other) {
  const out = [];
  for (let i = 0, j = 0; i < one.length && j < other.length;) {
    const start = Math.max(one[i][0], other[j][0]), end = Math.min(one[i][1], other[j][1]);
    if (start < end) out.push([start, end]);
    if (one[i][1] < other[j][1]) i++; else j++;
  }
  return out;
}
function subtract(spans, holes) {
  const out = [];
  let j = 0;
  for (let [start, end] of spans) {
    while (j < holes.length && holes[j][1] <= start) j++;
    for (let k = j; k < holes.length && holes[k][0] < end && start < end; k++) {
      if (holes[k][0] > start) out.push([start, holes[k][0]]);
      start = Math.max(start, holes[k][1]);
    }
    if (start < end) out.push([start, end]);
  }
  return out;
}
const total = (spans) => spans.reduce((sum, [start, end]) => sum + end - start, 0);

// --- §2: from observations to a timeline

// A series' tidy observations: sorted, of several at one instant the last.
function tidy(at, kind, kinds) {
  const order = Array.from(at, (_, i) => i);
  let sorted = true;
  for (let i = 1; i < at.length && sorted; i++) sorted = at[i - 1] < at[i];
  if (!sorted) order.sort((a, b) => at[a] - at[b] || a - b);
  const out = [];
  order.forEach((index, i) => {
    if (i + 1 < order.length && at[order[i + 1]] === at[index]) return;
    const [scheduled, outcome] = kinds[kind[index]];
    if (!OUTCOMES.has(outcome)) throw new Fault("outcome");
    out.push({ at: at[index], scheduled: Boolean(scheduled), outcome });
  });
  return out;
}

function stateOf(outcome, counted) { return outcome === "ok" ? UP : counted.has(outcome) ? DOWN : UNKNOWN; }

// Changes [instant, state from there on] of one target and location.
function line(observations, counted, confirm, hold) {
  const states = observations.map((one) => stateOf(one.outcome, counted));
  for (let i = 0; i < states.length;) { // runs shorter than `confirm` count as up
    let end = i + 1;
    while (end < states.length && states[end] === states[i]) end++;
    if (states[i] === DOWN && end - i < confirm) states.fill(UP, i, end);
    i = end;
  }
  const out = [];
  let now = UNKNOWN;
  const turn = (at, state) => { if (state !== now) { out.push([at, state]); now = state; } };
  observations.forEach(({ at }, i) => {
    turn(at, states[i]);
    const end = at + hold;
    if (i + 1 === observations.length || observations[i + 1].at > end) turn(end, UNKNOWN);
  });
  return out;
}

// Join lines: `decide` gets how many are up, how many down, and how many there are.
function join(lines, decide) {
  const turns = [];
  lines.forEach((changes, which) => changes.forEach(([at, state]) => turns.push([at, which, state])));
  turns.sort((a, b) => a[0] - b[0]);
  const states = lines.map(() => UNKNOWN), out = [];
  let up = 0, down = 0, now = UNKNOWN;
  for (let i = 0; i < turns.length;) {
    const at = turns[i][0];
    for (; i < turns.length && turns[i][0] === at; i++) {
      const [, which, state] = turns[i], old = states[which];
      up += (state === UP) - (old === UP); down += (state === DOWN) - (old === DOWN);
      states[which] = state;
    }
    const state = decide(up, down, lines.length);
    if (state !== now) { out.push([at, state]); now = state; }
  }
  return out;
}

function byQuorum(quorum) {
  return (up, down) => {
    const enough = quorum === "majority" ? 2 * down > up + down : quorum === "all" ? down > 0 && up === 0
      : quorum === "any" ? down > 0 : down >= Number(quorum);
    return enough ? DOWN : up ? UP : UNKNOWN;
  };
}
const byTargets = (when) => (up, down, all) => (when === "any" ? down > 0 : down === all) ? DOWN : up ? UP : UNKNOWN;

function spansOf(changes, wanted) {
  const out = [];
  changes.forEach(([at, state], i) => {
    if (state === wanted) out.push([at, i + 1 < changes.length ? changes[i + 1][0] : Infinity]);
  });
  return out;
}

// --- §3: the period

function offsetAt(zone, at) { // ms east of UTC
  const fixed = /^([+-])(\d\d):(\d\d)$/.exec(zone);
  if (fixed) return (fixed[1] === "-" ? -1 : 1) * (fixed[2] * 60 + Number(fixed[3])) * 60000;
  const parts = {};
  const format = offsetAt[zone] ||= new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  });
  for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) - Math.floor(at / 1000) * 1000;
}
function midnight(zone, year, month, day) { // the first of two, or the instant of the change that skips it
  const wall = Date.UTC(year, month, day), before = offsetAt(zone, wall - 100800000), after = offsetAt(zone, wall + 100800000);
  const fits = [wall - before, wall - after].filter((at) => at + offsetAt(zone, at) === wall);
  if (fits.length) return Math.min(...fits);
  let low = wall - 100800000, high = wall + 100800000;
  while (high - low > 1) { const mid = Math.floor((low + high) / 2); if (offsetAt(zone, mid) === before) low = mid; else high = mid; }
  return high;
}
function periodBounds(terms, config, name) {
  const [year, month] = name.split("-").map(Number), zone = terms.timezone || "UTC";
  const billing = terms.period === "billing_month" ? Number(config.billing_day) : 1;
  const start = (y, m) => midnight(zone, y, m, Math.min(billing, new Date(Date.UTC(y, m + 1, 0)).getUTCDate()));
  return [start(year, month - 1), start(year, month)];
}

// --- §4 and §5: what is counted, and the verdict

function leftOut(terms, service, inputs) {
  const rules = terms.maintenance || {}, touches = (one) => !one.services || !one.services.length || one.services.includes(service);
  const notice = rules.notice === undefined || rules.notice === null ? null : duration(rules.notice);
  const windows = (inputs.maintenance || []).filter((one) => {
    const kind = one.kind || "scheduled";
    if (!touches(one) || (rules.always_counted || []).includes(service) || (rules[kind] || "counted") !== "excluded") return false;
    return kind !== "scheduled" || notice === null || (one.announced && Date.parse(one.start) - Date.parse(one.announced) >= notice);
  });
  const exclusions = (inputs.exclusions || []).filter((one) => touches(one) && (terms.exclusions || []).includes(one.reason));
  return union([...windows, ...exclusions].map((one) => [Date.parse(one.start), Date.parse(one.end)]));
}

function rounded(pieces, rule = {}) {
  const mode = rule.mode || "nearest", lift = { nearest: 30000, up: 59999, down: 0 }[mode];
  const one = (ms) => Math.floor((ms + lift) / 60000) * 60000;
  return rule.apply === "each" ? pieces.reduce((sum, [start, end]) => sum + one(end - start), 0) : one(total(pieces));
}

// Evaluate the services of a contract. `series`: [{target, location, observations}], tidy.
function evaluateServices(config, inputs, series, start, to) {
  const terms = config.terms, how = terms.availability || {}, unit = how.unit || "time";
  const counted = new Set(how.counted_outcomes || PROVIDER), confirm = Number(how.confirm || 1);
  const specs = new Map(config.targets.map((one) => [one.name, one]));
  const hold = (spec) => Math.max(spec.stale_after_ms === null ? 2 * spec.interval_ms : spec.stale_after_ms, spec.interval_ms);
  return Object.entries(terms.services).map(([name, promise]) => {
    const targets = config.targets.filter((one) => one.service === name).map((one) => one.name);
    const mine = series.filter((one) => targets.includes(one.target));
    const lines = targets.map((target) => join(
      mine.filter((one) => one.target === target).map((one) => line(one.observations, counted, confirm, hold(specs.get(target)))),
      byQuorum(how.quorum || "majority")));
    const timeline = targets.length > 1 ? join(lines, byTargets((promise || {}).down_when)) : lines[0] || [];
    const period = start < to ? [[start, to]] : [], always = leftOut(terms, name, inputs), out = intersect(always, period);
    const kept = subtract(period, out), keptMs = total(kept), length = to - start;
    const wholeDown = spansOf(timeline, DOWN), down = intersect(wholeDown, period), up = intersect(spansOf(timeline, UP), period);
    const unknownSpans = subtract(kept, union([...down, ...up]));
    const outages = [], pieces = [];
    const reports = (inputs.reports || []).filter((one) => !one.services || !one.services.length || one.services.includes(name))
      .map((one) => Date.parse(one.at)).sort((a, b) => a - b);
    for (const [first, last] of wholeDown) {
      const [clipped] = intersect([[first, last]], period);
      if (!clipped) continue;
      const report = reports.find((at) => first <= at && at < last);
      const part = how.counts_from !== "report" ? [[first, last]] : report === undefined ? [] : [[report, last]];
      const here = subtract(intersect(part, period), out);
      pieces.push(...here);
      outages.push({ start: clipped[0], end: clipped[1], counted_ms: total(here), outcome: firstFailure(mine, counted, clipped) });
    }
    const elapsed = how.denominator === undefined || how.denominator === "elapsed";
    let outOf = elapsed ? length : how.denominator === "elapsed_minus_excluded" ? length - total(out) : duration(how.denominator);
    let sum, unknown = total(unknownSpans), base = keptMs;
    if (unit === "check") {
      let good = 0, bad = 0, expected = 0;
      for (const one of mine) {
        if (one.observations.length) expected += Math.floor(keptMs / specs.get(one.target).interval_ms);
        for (const seen of one.observations) {
          if (!seen.scheduled || !inside(kept, seen.at)) continue;
          const state = stateOf(seen.outcome, counted);
          good += state === UP; bad += state === DOWN;
        }
      }
      sum = bad; outOf = good + bad; unknown = Math.max(0, expected - outOf); base = outOf + unknown;
    } else if (unit === "second") {
      const seconds = countedSeconds(mine, counted, start, to, always);
      sum = 1000 * seconds.length;
      const unseen = intersect(union([...unknownSpans, ...down]), kept);
      unknown = total(subtract(unseen, union(seconds.map((one) => [one * 1000, one * 1000 + 1000]))));
    } else sum = unit === "minute" ? rounded(pieces, how.round) : total(pieces);
    const availability = remaining(sum, outOf), worst = remaining(sum + unknown, unit === "check" ? outOf + unknown : outOf);
    const target = promise && promise.target ? share(promise.target) : null;
    const verdict = !target ? "no_target" : availability && less(availability, target) ? "breached"
      : worst && !less(worst, target) ? "met" : "unproven";
    return {
      service: name, target: target ? promise.target : null, unit, availability: cut(availability), worst_case: cut(worst),
      coverage: cut(remaining(unknown, base)), counted: sum, out_of: outOf, unknown, excluded_ms: total(intersect(down, out)), verdict,
      outages, down, unknownSpans, out, pieces,
    };
  });
}

function inside(spans, at) {
  let low = 0, high = spans.length;
  while (low < high) { const mid = (low + high) >> 1; if (spans[mid][1] <= at) low = mid + 1; else high = mid; }
  return low < spans.length && spans[low][0] <= at;
}

function firstFailure(series, counted, [start, end]) {
  let found = null;
  for (const { target, location, observations } of series) {
    const seen = observations.find((one) => start <= one.at && one.at < end && counted.has(one.outcome) && one.outcome !== "ok");
    if (!seen) continue;
    const key = [seen.at, target, location];
    if (!found || key[0] < found.key[0] || (key[0] === found.key[0] && (target < found.key[1] || (target === found.key[1] && location < found.key[2])))) {
      found = { key, outcome: seen.outcome };
    }
  }
  return found && found.outcome;
}

function countedSeconds(series, counted, start, to, out) {
  const bad = new Map(), good = new Set();
  for (const { observations } of series) for (const { at, outcome } of observations) {
    const second = Math.floor(at / 1000);
    if (stateOf(outcome, counted) === DOWN) bad.set(second, Math.min(at, bad.get(second) ?? Infinity)); else good.add(second);
  }
  const low = Math.ceil(start / 1000) * 1000;
  return [...bad].filter(([second, at]) => {
    const begins = second * 1000;
    return !good.has(second) && begins >= low && begins < to && at < to && !inside(out, begins);
  }).map(([second]) => second).sort((a, b) => a - b);
}
