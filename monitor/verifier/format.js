// Verifying a bundle, written from docs/proof-format.md; the steps are those of its §8.
"use strict";

const DAY = 86400000, COMMON = "", FORMAT = "slaproof bundle 1", ROOM = 1 << 20;
const dayStart = (day) => {
  const at = Date.parse(`${day}T00:00:00.000Z`);
  if (dayName(at) !== day) throw new Fault("malformed", day);
  return at;
};
const dayName = (at) => new Date(at).toISOString().slice(0, 10);
const instant = (value) => {
  const at = Date.parse(value);
  if (new Date(at).toISOString() !== value) throw new Fault("malformed", value);
  return at;
};

// Canonical JSON (§2). The keys written here are plain ASCII.
function canonical(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

// --- trees and logs (§2, §5)

const EMPTY = sha256();
const leafHash = (data) => sha256(Uint8Array.of(0), data);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

function rootOf(size, shown, proof) { // shown: a Map from index to leaf hash
  if (!size) { if (shown.size || proof.length) throw new Fault("proof"); return EMPTY; }
  let next = 0;
  const walk = (low, high, mine) => {
    if (!mine.length) {
      if (next >= proof.length || proof[next].length !== 32) throw new Fault("proof");
      return proof[next++];
    }
    if (high - low === 1) return shown.get(low);
    let half = 1;
    while (half * 2 < high - low) half *= 2;
    const left = walk(low, low + half, mine.filter((i) => i < low + half));
    return nodeHash(left, walk(low + half, high, mine.filter((i) => i >= low + half)));
  };
  const indices = [...shown.keys()].sort((a, b) => a - b);
  if (indices.some((i) => !(i >= 0 && i < size))) throw new Fault("proof");
  const root = walk(0, size, indices);
  if (next !== proof.length) throw new Fault("proof");
  return root;
}

class Log {
  constructor(origin, size = 0, peaks = []) {
    this.origin = origin; this.size = size; this.peaks = peaks;
    if (size.toString(2).replace(/0/g, "").length !== peaks.length || peaks.some((one) => one.length !== 32)) throw new Fault("proof", "before");
  }
  append(entry) {
    let leaf = leafHash(entry);
    for (let n = this.size; n % 2; n = Math.floor(n / 2)) leaf = nodeHash(this.peaks.pop(), leaf);
    this.peaks.push(leaf); this.size++;
  }
  root() { return this.peaks.length ? this.peaks.reduceRight((right, left) => nodeHash(left, right)) : EMPTY; }
  head() { return `${this.origin}\n${this.size}\n${base64(this.root())}\n`; }
}

// --- notes and keys (§2, §5)

function parseKey(line) {
  const [, name, id, encoded] = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(line) || [];
  if (!name) throw new Fault("key");
  const data = unbase64(encoded);
  if (data.length !== 33 || data[0] !== 1 || hex(sha256(bytes(`${name}\n`), data).subarray(0, 4)) !== id) throw new Fault("key");
  return { name, id, bytes: data.subarray(1), line };
}

async function signers(body, lines, keys, place) {
  const found = [];
  if (!lines.endsWith("\n")) throw new Fault("note", place);
  for (const line of lines.slice(0, -1).split("\n")) {
    const [, name, encoded] = /^— (\S+) ([A-Za-z0-9+/]+=*)$/.exec(line) || [];
    if (!name) throw new Fault("note", place);
    let data;
    try { data = unbase64(encoded); } catch { throw new Fault("note", place); }
    if (data.length < 5) throw new Fault("note", place);
    for (const key of keys) {
      if (key.name !== name || key.id !== hex(data.subarray(0, 4))) continue;
      if (!await ed25519(key.bytes, data.subarray(4), bytes(body))) throw new Fault("signature", place);
      found.push(key);
    }
  }
  return found;
}

class Keyring {
  static async read(keyLines, notes, origin) {
    const ring = new Keyring(), known = new Map();
    const add = (line) => { const key = parseKey(line); if (!known.has(line)) known.set(line, key); return known.get(line); };
    keyLines.forEach(add);
    ring.rotations = []; ring.revocations = [];
    for (const note of new Set(notes)) {
      const cutAt = note.lastIndexOf("\n\n"), body = note.slice(0, cutAt + 1), [what, by, one, two, last, ...rest] = body.split("\n");
      if (by !== origin || rest.length !== 1 || rest[0]) throw new Fault("history", "keys.json");
      if (what === "slaproof key rotation") {
        const pair = [add(one), add(two)], signed = await signers(body, note.slice(cutAt + 2), pair, "keys.json");
        if (!pair.every((key) => signed.includes(key))) throw new Fault("history", "keys.json");
        ring.rotations.push({ old: pair[0], new: pair[1], at: instant(last) });
      } else {
        const signed = await signers(body, note.slice(cutAt + 2), [...known.values()], "keys.json");
        if (what !== "slaproof key revocation" || !signed.length) throw new Fault("history", "keys.json");
        ring.revocations.push({ line: one, at: instant(two), reason: last, by: signed[0] });
      }
    }
    ring.keys = [...known.values()];
    return ring;
  }
  linked(lines) {
    const found = new Set(lines);
    for (let before = -1; before < found.size;) {
      before = found.size;
      for (const { old, new: fresh } of this.rotations) if (found.has(old.line) || found.has(fresh.line)) found.add(old.line).add(fresh.line);
    }
    return found;
  }
  replacedAt(key) { return Math.min(Infinity, ...this.rotations.filter((one) => one.old === key).map((one) => one.at)); }
  revoked(key) {
    const linked = this.linked([key.line]);
    return this.revocations.filter((one) => one.line === key.line && linked.has(one.by.line)).sort((a, b) => a.at - b.at)[0];
  }
}

// --- the bundle (§6)

function readContainer(data) {
  const magic = bytes(`${FORMAT}\n`);
  if (magic.some((byte, i) => data[i] !== byte)) throw new Fault("no_bundle", "head");
  let end = 0;
  while (end + 1 < data.length && !(data[end] === 10 && data[end + 1] === 10)) end++;
  let start = end + 2;
  while (start < data.length && data[start] !== 10) start++;
  if (start >= data.length) throw new Fault("no_bundle", "head");
  let body, line;
  try { body = text(data.subarray(0, end + 1)); line = text(data.subarray(end + 2, ++start)); } catch { throw new Fault("no_bundle", "head"); }
  const [, origin, ...listed] = body.slice(0, -1).split("\n"), members = new Map(), wrong = [];
  for (const one of listed) {
    const [, digest, size, name] = /^([0-9a-f]{64}) (0|[1-9]\d{0,11}) ([a-z0-9][a-z0-9._/-]{0,80})$/.exec(one) || [];
    if (!name || members.has(name)) throw new Fault("no_bundle", "head");
    members.set(name, data.subarray(start, start + Number(size)));
    if (hex(sha256(members.get(name))) !== digest) wrong.push(name);
    start += Number(size);
  }
  const size = [...members.values()].reduce((sum, one) => sum + one.length, 0);
  return { origin, body, line, members, wrong, trailing: data.length - start, size };
}

async function member(container, name) {
  if (!container.members.has(name)) throw new Fault("no_member", name);
  const data = container.members.get(name);
  try { return name.endsWith(".z") ? await inflate(data, ROOM + 100 * container.size) : data; } catch { throw new Fault("member", name); }
}
function parsed(name, data) {
  try { return JSON.parse(data); } catch { throw new Fault("member", name); }
}
function cutLines(name, data) {
  if (data && !data.endsWith("\n")) throw new Fault("member", name);
  return data.split("\n").slice(0, -1);
}
const textOf = async (container, name) => text(await member(container, name));
const jsonOf = async (container, name) => parsed(name, await textOf(container, name));
const linesOf = async (container, name) => cutLines(name, await textOf(container, name));

async function withDigits(container, names) { // the texts, with hex digits where a byte counts them
  const digits = await member(container, "digits"), found = [];
  let next = 0;
  for (const name of names) {
    const data = await textOf(container, name);
    found.push(data.replace(/[\x01-\x08]/g, (one) => hex(digits.subarray(next, next += 8 * one.charCodeAt(0)))));
  }
  if (next !== digits.length) throw new Fault("member", "digits");
  return found;
}

async function readSeries(container) {
  const heads = await jsonOf(container, "series.json.z"), found = new Map();
  if (!(heads.reduce((sum, head) => sum + Math.abs(head.rows), 0) <= ROOM + 10 * container.size)) throw new Fault("member", "series.json.z");
  for (const [number, head] of heads.entries()) {
    const name = `rows/${String(number).padStart(5, "0")}.z`, data = await member(container, name), n = head.rows;
    let taken = 0, next = 0;
    const take = (count) => { // the next column
      const [base, parts] = head.columns[next++], column = new Float64Array(count).fill(base);
      let scale = 1;
      for (const bits of parts) {
        if (![1, 2, 4, 8].includes(bits)) throw new Fault("member", name);
        const each = 8 / bits, size = Math.ceil(count / each), mask = (1 << bits) - 1;
        if (taken + size > data.length) throw new Fault("member", name);
        for (let i = 0; i < count; i++) column[i] += (data[taken + Math.floor(i / each)] >> (i % each) * bits & mask) * scale;
        taken += size;
        scale *= 1 << bits;
      }
      return column;
    };
    const signed = (z) => (z % 2 ? -(z + 1) / 2 : z / 2);
    const kind = take(n), lone = kind.reduce((sum, one) => sum + (head.kinds[one][0] ? 0 : 1), 0);
    const steps = take(n - lone), late = take(n - lone), rest = take(lone), durations = take(n), instants = new Float64Array(n), lines = new Array(n);
    if (taken !== data.length || next !== head.columns.length) throw new Fault("member", name);
    const tails = head.kinds.map((one) => `${JSON.stringify(one).slice(1)}\n`);
    let slot = head.first - 1, at = head.first * head.step + head.phase, on = 0, off = 0;
    for (let i = 0; i < n; i++) {
      if (head.kinds[kind[i]][0]) {
        slot += 1 + signed(steps[on]);
        at = slot * head.step + head.phase + late[on++];
      } else at += signed(rest[off++]);
      instants[i] = at;
      lines[i] = `[${at},${durations[i]},${tails[kind[i]]}`;
    }
    const key = JSON.stringify([head.target, head.location]);
    if (found.has(key)) throw new Fault("member", "series.json.z");
    found.set(key, { target: head.target, location: head.location, kinds: head.kinds, instants, kind, lines, used: 0, parts: [] });
  }
  return found;
}

// --- the verification

class Verification {
  constructor(known = {}) { this.known = { keys: [], notes: [], certificates: [], contract: null, ...known }; this.steps = []; this.facts = {}; }

  say(step, state, code, args = {}, place = null) { this.steps.push({ step, state, code, args, place }); }
  bad(step, code, place, args = {}) {
    this.told ||= {};
    this.told[step] = (this.told[step] || 0) + 1;
    if (this.told[step] <= 12) this.say(step, "bad", code, args, place);
  }
  fine(step) { return !(this.told || {})[step]; }
  get status() {
    const states = new Set(this.steps.map((one) => one.state));
    return states.has("bad") || !states.size ? "INVALID" : states.has("but") ? "VALID BUT" : "VALID";
  }

  async guarded(step, check) {
    try { await check(); } catch (error) {
      if (!(error instanceof Fault)) this.bad(step, "unreadable", step, { error: String(error) });
      else this.bad(step, `fault_${error.code}`, error.place || step, error.args);
    }
  }

  async run(data) {
    const whole = data, pdf = text5(data) === "%PDF-";
    try {
      if (pdf) data = await bundleOf(data);
      this.container = readContainer(data);
    } catch (error) { this.bad("file", `fault_${error.code || "no_bundle"}`, error.place || "head"); return this; }
    const { container } = this;
    this.facts = { origin: container.origin, sha256: hex(sha256(data)) };
    for (const name of container.wrong) this.bad("file", "wrong_member", name, { name });
    if (container.trailing) this.bad("file", "trailing", "end of the file", { bytes: Math.abs(container.trailing) });
    if (this.fine("file")) this.say("file", "good", "file", { members: container.members.size });
    await this.guarded("key", () => this.keys());
    await this.guarded("trees", () => this.read());
    if (!this.entries) return this;
    await this.guarded("chain", () => this.chain());
    await this.guarded("timestamps", () => this.timestamps());
    await this.guarded("trees", () => this.trees());
    await this.guarded("heartbeats", () => this.heartbeats());
    await this.guarded("balance", () => this.balance());
    await this.guarded("contract", () => this.contract());
    await this.guarded("evaluation", () => this.evaluation());
    await this.guarded("days", () => this.days());
    if (pdf) await this.guarded("statement", () => this.pages(whole));
    return this;
  }

  async keys() {
    const data = await jsonOf(this.container, "keys.json");
    this.ring = await Keyring.read(data.keys, [...data.notes, ...this.known.notes], this.container.origin);
    const { body, line } = this.container, signed = await signers(body, line, this.ring.keys, "head");
    if (line.split("\n").length !== 2 || signed.length !== 1) { this.bad("signature", "not_signed", "head"); return; }
    [this.signer] = signed;
    this.say("signature", "good", "signature", { name: this.signer.name, id: this.signer.id });
    const known = this.known.keys.map((one) => one.line), linked = this.ring.linked([this.signer.line]);
    if (!known.length) this.say("key", "but", "key_unknown", { key: this.signer.line });
    else if (known.includes(this.signer.line)) this.say("key", "good", "key_known");
    else if (known.some((one) => linked.has(one))) this.say("key", "good", "key_linked");
    else this.bad("key", "key_other", "head", { id: this.signer.id });
    const loose = this.ring.keys.filter((one) => !linked.has(one.line));
    if (loose.length) this.bad("key", "key_loose", "keys.json", { ids: loose.map((one) => one.id).join(", ") });
  }

  async read() {
    const { container } = this;
    this.about = await jsonOf(container, "about.json");
    this.told_evaluation = await jsonOf(container, "evaluation.json.z");
    this.inputs = await jsonOf(container, "inputs.json.z");
    this.statement = container.members.has("statement.json") ? await jsonOf(container, "statement.json") : null;
    this.facts = { ...this.facts, contract: this.about.contract, period: this.about.period, revision: this.about.revision, amends: this.about.amends, made: this.about.made };
    const [ledgerText, segmentText] = await withDigits(container, ["ledger.json.z", "segments.jsonl.z"]);
    const ledger = parsed("ledger.json.z", ledgerText);
    this.series = await readSeries(container);
    this.configs = await linesOf(container, "config.jsonl.z");
    this.past = await linesOf(container, "earlier.jsonl.z");
    const headers = cutLines("segments.jsonl.z", segmentText), events = await linesOf(container, "events.jsonl.z");
    this.secrets = Object.fromEntries(Object.entries(ledger.secrets).map(([name, value]) => [name, unhex(value)]));
    this.before = ledger.before;
    const entries = ledger.entries.map((one, number) => {
      const data = JSON.parse(one.entry), index = ledger.before.size + number;
      return { ...one, data, index, line: bytes(one.entry), day: data.day, place: `${data.day} (${data.kind}, ${index})`, groups: new Map() };
    });
    let s = 0, e = 0;
    for (const entry of entries) {
      for (const [name, configs, given, told] of entry.shown) {
        if (entry.groups.has(name)) throw new Fault("member", "ledger.json.z");
        const withheld = Array.isArray(given) ? given.map(unhex) : null, many = withheld ? 0 : given;
        if (withheld && withheld.some((one) => one.length !== 32)) throw new Fault("member", "ledger.json.z");
        const group = { name, configs: configs.map((i) => this.configs[i]), segments: [], events: events.slice(e, e + told), withheld };
        for (const header of headers.slice(s, s + many)) {
          const said = JSON.parse(header), series = this.series.get(JSON.stringify([said.target, said.location]));
          const place = `${said.day}, ${said.target}, ${said.location}`;
          if (!series || !(said.rows >= 0) || series.used + said.rows > series.lines.length) throw new Fault("rows_missing", place);
          const from = series.used; series.used += said.rows;
          group.segments.push({ header, said, place, series, from, to: series.used });
        }
        s += many; e += told;
        if (group.segments.length !== many || group.events.length !== told || group.configs.includes(undefined)) throw new Fault("contents_missing", entry.place);
        entry.groups.set(name, group);
      }
    }
    if (s !== headers.length || e !== events.length) throw new Fault("contents_left", "segments.jsonl.z, events.jsonl.z");
    for (const { used, lines, target, location } of this.series.values()) if (used !== lines.length) throw new Fault("contents_left", `${target}, ${location}`);
    this.entries = entries;
  }

  async chain() {
    const { origin } = this.container, log = new Log(origin, this.before.size, this.before.peaks.map(unhex));
    if (log.size) await this.checkpoint(log.head(), this.before.signatures, "before");
    let last = null;
    for (const entry of this.entries) {
      const { data, day, place } = entry, sealed = instant(data.sealed), start = dayStart(day);
      log.append(entry.line);
      entry.note = `${log.head()}\n${entry.signatures}`; entry.size = log.size;
      entry.by = await this.checkpoint(log.head(), entry.signatures, place, sealed);
      if (data.kind === "day") {
        if (last !== null && start !== last + DAY) this.bad("chain", "day_turn", place, { day });
        last = start;
      } else if (data.kind !== "supplement" || !data.why || last === null || start > last) this.bad("chain", "entry_kind", place);
      if (sealed < start + DAY) this.bad("chain", "sealed_early", place);
    }
    const days = this.entries.filter((one) => one.data.kind === "day");
    if (this.fine("chain") && days.length) this.say("chain", "good", "chain", { days: days.length, more: this.entries.length - days.length, first: days[0].day, last: days.at(-1).day, size: log.size });
  }

  async checkpoint(head, signatures, place, sealed = null) {
    try {
      const signed = await signers(head, signatures, this.ring ? this.ring.keys : [], place);
      if (!signed.length) { this.bad("chain", "checkpoint_unsigned", place); return null; }
      if (sealed !== null && signed.every((key) => sealed > this.ring.replacedAt(key))) this.bad("chain", "checkpoint_old_key", place);
      return signed[0];
    } catch (error) { if (!(error instanceof Fault)) throw error; this.bad("chain", "checkpoint_wrong", place); return null; }
  }

  async timestamps() {
    const tokens = await jsonOf(this.container, "timestamps.json.z"), stamped = new Map(), foreign = new Set();
    for (const [size, token] of Object.entries(tokens)) {
      const entry = this.entries.find((one) => String(one.size) === size);
      if (!entry) { this.bad("timestamps", "stamp_of_nothing", size); continue; }
      try {
        const stamp = await openTimestamp(unbase64(token), bytes(entry.note), this.known.certificates);
        if (stamp.at < dayStart(entry.day) + DAY - 60000) this.bad("timestamps", "stamp_early", entry.place);
        stamped.set(entry.index, stamp.at);
        if (!await isTrusted(stamp.certificate, this.known.certificates)) foreign.add(subjectOf(stamp.certificate));
      } catch { this.bad("timestamps", "stamp_wrong", entry.place); }
    }
    const days = this.entries.filter((one) => one.data.kind === "day"), missing = days.filter((one) => !stamped.has(one.index));
    if (this.fine("timestamps")) {
      if (missing.length === days.length) this.say("timestamps", "but", "stamps_none");
      else if (missing.length) this.say("timestamps", "but", "stamps_some", { missing: missing.length, days: days.length });
      if (foreign.size) this.say("timestamps", "but", "stamps_foreign", { count: stamped.size, names: [...foreign].join(", ") });
      else if (!missing.length) this.say("timestamps", "good", "stamps", { count: stamped.size });
    }
    this.revoked(foreign.size ? new Map() : stamped);
  }

  revoked(stamped) {
    if (!this.ring) return;
    const made = instant(this.about.made), mine = this.signer && this.ring.revoked(this.signer);
    if (mine && made >= mine.at) this.bad("key", "revoked_before", "head", { reason: mine.reason });
    for (const key of new Set(this.entries.map((one) => one.by).filter(Boolean))) {
      const note = this.ring.revoked(key);
      if (!note) continue;
      const own = this.entries.filter((one) => one.by === key), late = own.filter((one) => instant(one.data.sealed) >= note.at);
      for (const entry of late) this.bad("key", "revoked_before", entry.place, { reason: note.reason });
      if (own.every((one) => stamped.has(one.index) && stamped.get(one.index) < note.at)) this.say("key", "note", "revoked_stamped", { id: key.id, reason: note.reason });
      else if (!late.length) this.say("key", "but", "revoked_later", { id: key.id, reason: note.reason });
    }
  }

  trees() {
    const ids = new Set();
    const withheld = new Set();
    let rows = 0, segments = 0, events = 0;
    const earlier = this.past.slice();
    for (const line of earlier) {
      const event = JSON.parse(line);
      if (event.kind !== "event" || event.group !== this.about.contract || ids.has(event.id)) this.bad("trees", "event_twice", event.id);
      ids.add(event.id);
    }
    for (const entry of this.entries) {
      const shown = new Map();
      for (const name of [COMMON, this.about.contract]) this.group(entry, name, name ? earlier : [], shown);
      if (hex(rootOf(entry.data.leaves, shown, entry.proof.map(unhex))) !== entry.data.root) this.bad("trees", "not_sealed", entry.place, { day: entry.day });
      for (const group of entry.groups.values()) {
        this.contents(entry, group, ids);
        segments += group.segments.length; events += group.events.length;
        if (group.withheld && group.withheld.length) withheld.add(entry.day);
        for (const one of group.segments) rows += one.to - one.from;
      }
    }
    if (this.fine("trees")) this.say("trees", "good", "trees", { rows, segments, events });
    const later = [...withheld].sort();
    if (this.fine("trees") && later.length) this.say("trees", "note", "withheld", { days: later.length, first: later[0], last: later.at(-1) });
  }

  group(entry, name, earlier, shown) {
    const secret = this.secrets[name], tag = hex(hmacSha256(secret, bytes(`tag\n${entry.index}`)).subarray(0, 8));
    const tags = entry.data.groups.map((one) => one[0]), firsts = [...entry.data.groups.map((one) => one[1]), entry.data.leaves];
    const ordered = tags.every((one, i) => !i || tags[i - 1] < one) && firsts[0] === 0 && firsts.every((one, i) => !i || firsts[i - 1] < one);
    if (!ordered || tags.includes(tag) !== entry.groups.has(name)) { this.bad("trees", "group_hidden", entry.place); return; }
    if (!tags.includes(tag)) return;
    const group = entry.groups.get(name), at = tags.indexOf(tag);
    group.salt = hmacSha256(secret, bytes(`salt\n${entry.day}`)).subarray(0, 16);
    const digests = [
      ...group.configs.map((one) => sha256(bytes(one))),
      ...group.withheld || group.segments.map((one) => sha256(bytes(`${one.header}\n${one.series.lines.slice(one.from, one.to).join("")}`))),
      ...group.events.map((one) => sha256(bytes(one))),
    ];
    const roll = {
      day: entry.day, digest: hex(sha256(...digests)), group: name, kind: "roll", leaves: digests.length,
      earlier: [earlier.length, hex(earlier.reduce((link, one) => sha256(link, sha256(bytes(one))), new Uint8Array(32)))],
    };
    const leaves = [sha256(bytes(canonical(roll))), ...digests];
    if (name) earlier.push(...group.events);
    if (firsts[at + 1] - firsts[at] !== leaves.length) { this.bad("trees", "group_count", entry.place, { sealed: firsts[at + 1] - firsts[at] - 1, shown: leaves.length - 1 }); return; }
    leaves.forEach((one, i) => shown.set(firsts[at] + i, leafHash(concat(group.salt, one))));
  }

  contents(entry, group, ids) {
    const start = dayStart(entry.day), isDay = entry.data.kind === "day", later = start > dayStart(this.about.days[1]);
    if (later !== (group.withheld !== null)) this.bad("trees", later ? "shown_later" : "withheld_early", entry.place);
    let entered = start;
    for (const line of group.events) {
      const event = JSON.parse(line), place = `${entry.day}, ${event.id}`;
      if (event.kind !== "event" || event.group !== group.name || ids.has(event.id)) this.bad("trees", "event_twice", place);
      if (event.entered_at < entered || (isDay && event.entered_at >= start + DAY)) this.bad("trees", "event_order", place);
      ids.add(event.id); entered = event.entered_at;
    }
    const configs = group.configs.map((one) => JSON.parse(one));
    if (configs.some((one) => one.kind !== "config" || one.contract !== group.name)) this.bad("trees", "config_other", entry.place);
    for (const one of group.segments) this.segment(entry, one, configs);
    if (!group.name || !isDay) return;
    const due = new Set(configs.flatMap((one) => one.targets.flatMap((t) => t.locations.map((where) => JSON.stringify([t.name, where])))));
    if (later && (group.withheld || []).length === due.size) return;
    const there = group.segments.map(({ said }) => JSON.stringify([said.target, said.location]));
    if (there.length !== due.size || there.some((one) => !due.has(one))) this.bad("trees", "targets_other", entry.place);
  }

  segment(entry, { said, series, from, to, place }, configs) {
    const at = series.instants.subarray(from, to), start = dayStart(entry.day), plan = said.plan, late = said.kind === "supplement";
    let scheduled = 0, ordered = true;
    for (let i = from; i < to; i++) scheduled += series.kinds[series.kind[i]][0];
    for (let i = 1; i < at.length; i++) ordered &&= at[i - 1] <= at[i];
    const slots = plan.reduce((sum, [a, z, step, phase]) => sum + Math.max(0, Math.ceil((z - a - mod1(phase - a, step)) / step)), 0);
    const fits = said.day === entry.day && late === (entry.data.kind === "supplement") && (late || said.kind === "segment")
      && said.expected === slots && said.scheduled === scheduled && said.rows === at.length;
    if (!fits) this.bad("trees", "header", place);
    if (!ordered || (plan.length ? at.length && (at[0] < plan[0][0] || at.at(-1) >= plan.at(-1)[1]) : at.length && !late)) this.bad("trees", "rows_order", place);
    const intervals = new Set(configs.flatMap((one) => one.targets.filter((t) => t.name === said.target).map((t) => t.interval_ms)));
    for (const [a, z, step] of plan) {
      if (a < start || z > start + DAY + step || (!late && !intervals.has(step))) this.bad("trees", "plan_other", place);
    }
  }

  heartbeats() {
    let opened = 0, closed = 0;
    for (const entry of this.entries) {
      if (entry.data.kind !== "day") continue;
      const [count, root] = entry.data.heartbeats;
      if (entry.heartbeats === null) { closed += count; continue; }
      const log = new Log("");
      let at = dayStart(entry.day);
      const running = [...entry.groups.values()].map((group) => ({
        group, entered: group.events.map((one) => JSON.parse(one).entered_at),
        series: group.segments.map((one) => ({ one, hash: new Sha256(), done: one.from })),
      }));
      for (const [step, lag, leaves, firsts, proof] of entry.heartbeats) {
        at += step;
        const horizon = at - lag, shown = new Map();
        [COMMON, this.about.contract].forEach((name, i) => {
          if (firsts[i] < 0) return;
          const mine = running.find((one) => one.group.name === name), known = mine.group.events.filter((_, k) => mine.entered[k] < horizon);
          const said = mine.series.map((state) => {
            const { one } = state, from = state.done;
            while (state.done < one.to && one.series.instants[state.done] < horizon) state.done++;
            state.hash.update(bytes(one.series.lines.slice(from, state.done).join("")));
            return [one.said.target, one.said.location, state.done - one.from, hex(state.hash.digest())];
          });
          const content = { at, day: entry.day, group: name, kind: "heartbeat", series: said, events: [known.length, hex(sha256(...known.map((one) => bytes(`${one}\n`))))] };
          shown.set(firsts[i], leafHash(concat(mine.group.salt, sha256(bytes(canonical(content))))));
        });
        log.append(bytes(canonical({ at, day: entry.day, horizon, kind: "heartbeat", leaves, root: hex(rootOf(leaves, shown, proof.map(unhex))) })));
      }
      if (log.size !== count || hex(log.root()) !== root) this.bad("heartbeats", "heartbeat", entry.place, { day: entry.day });
      opened += log.size;
    }
    if (this.fine("heartbeats") && (opened || closed)) this.say("heartbeats", closed ? "note" : "good", closed ? "heartbeats_closed" : "heartbeats", { opened, closed });
  }

  balance() {
    const parts = new Map(), admitted = [];
    let expected = 0, seen = 0, missed = 0;
    for (const entry of this.entries) for (const group of entry.groups.values()) for (const { said, place } of group.segments) {
      parts.set(place, [...(parts.get(place) || []), said]);
    }
    for (const [place, said] of parts) {
      const main = said.filter((one) => one.kind === "segment");
      if (main.length !== 1) { if (main.length || this.entries.some((one) => one.day === said[0].day && one.data.kind === "day")) this.bad("balance", "no_segment", place); continue; }
      const gaps = said.at(-1).gaps, add = (list, pick) => list.reduce((sum, one) => sum + pick(one), 0);
      const inGaps = add(gaps, (one) => one[2]), scheduled = add(said, (one) => one.scheduled), surplus = add(said, (one) => one.surplus);
      if (main[0].expected + surplus - scheduled !== inGaps) this.bad("balance", "slots", place, { expected: main[0].expected, scheduled, gaps: inGaps });
      expected += main[0].expected; seen += scheduled; missed += inGaps;
      if (surplus || gaps.some((one) => one[3] === "unaccounted")) admitted.push(place);
    }
    if (admitted.length) this.say("balance", "but", "unaccounted", { places: admitted.slice(0, 5).join("; ") });
    if (this.fine("balance")) this.say("balance", "good", "balance", { expected, seen, missed });
  }

  contract() {
    const end = instant(this.about.period.end), shown = new Set();
    for (const entry of this.entries) for (const group of entry.groups.values()) if (group.name) group.configs.forEach((one) => shown.add(one));
    const known = [...shown].map((line) => ({ line, config: JSON.parse(line) })).sort((a, b) => a.config.since - b.config.since);
    const inForce = known.filter((one) => one.config.since < end);
    if (!inForce.length) { this.say("contract", "but", "contract_none"); return; }
    const { line, config } = inForce.at(-1);
    if (hex(sha256(bytes(line))) !== this.about.config) { this.bad("contract", "contract_force", "about.json: config"); return; }
    this.config = config;
    if (inForce.length > 1) this.say("contract", "note", "contract_changed", { times: inForce.length - 1 });
    const plain = (value) => value.replaceAll("\r\n", "\n").replace(/\n+$/, "");
    if (this.known.contract === null) this.say("contract", "note", "contract_not_given", { name: config.contract });
    else if (config.source_sha256 === hex(sha256(bytes(this.known.contract))) || plain(config.text) === plain(this.known.contract)) this.say("contract", "good", "contract_same");
    else {
      const ours = plain(this.known.contract).split("\n"), theirs = plain(config.text).split("\n");
      this.bad("contract", "contract_other", `${config.contract}: ${ours.findIndex((one, i) => one !== theirs[i]) + 1 || ours.length + 1}`);
    }
  }

  evaluation() {
    const told = this.told_evaluation, { about } = this;
    for (const name of ["contract", "period"]) if (canonical(told[name]) !== canonical(about[name])) throw new Fault("month", `evaluation.json.z: ${name}`);
    if (about.origin !== this.container.origin) throw new Fault("month", "about.json: origin");
    this.notCutShort();
    if (!this.config || !this.config.terms) return;
    const { config } = this, [start, end] = periodBounds(config.terms, config, about.period.name), to = instant(about.period.to);
    if (start !== instant(about.period.start) || end !== instant(about.period.end) || to > end || (to === end) !== about.period.complete) throw new Fault("month", "about.json: period");
    const folded = foldEvents([...this.past, ...this.entries.flatMap((one) => [...one.groups.values()].flatMap((group) => group.events))].map((one) => JSON.parse(one)), about.contract);
    for (const kind of ["maintenance", "exclusions", "reports"]) {
      if (canonical(folded[kind].map(plainEvent)) !== canonical((this.inputs[kind] || []).map(plainEvent))) { this.bad("evaluation", "inputs", `inputs.json.z: ${kind}`); return; }
    }
    const series = [...this.series.values()].map((one) => ({ target: one.target, location: one.location, observations: tidy(one.instants, one.kind, one.kinds) }));
    this.services = evaluateServices(config, this.inputs, series, start, to);
    const keys = ["target", "unit", "availability", "worst_case", "coverage", "counted", "out_of", "unknown", "excluded_ms", "verdict"];
    for (const one of this.services) {
      const theirs = told.services.find((other) => other.service === one.service);
      if (!theirs) { this.bad("evaluation", "service_missing", `evaluation.json.z: ${one.service}`); continue; }
      for (const key of keys) if (theirs[key] !== one[key]) this.bad("evaluation", "differs", `evaluation.json.z: ${one.service}.${key}`, { told: theirs[key], counted: one[key] });
      const outages = (list) => canonical(list.map((o) => [o.start, o.end, o.counted_ms, o.outcome]));
      const ours = one.outages.map((o) => ({ ...o, start: new Date(o.start).toISOString(), end: new Date(o.end).toISOString() }));
      if (outages(ours) !== outages(theirs.outages)) this.bad("evaluation", "outages", `evaluation.json.z: ${one.service}.outages`);
    }
    if (told.services.length !== this.services.length) this.bad("evaluation", "service_missing", "evaluation.json.z: services");
    if (this.fine("evaluation")) this.say("evaluation", "good", "evaluation", { services: this.services.length });
  }

  notCutShort() { // where later observations are withheld, none of them can matter (§8.10)
    const last = this.about.days[1];
    if (this.entries.every((one) => one.day <= last)) return;
    const there = new Map();
    for (const entry of this.entries.filter((one) => one.day === last)) for (const group of entry.groups.values()) for (const one of group.segments) there.set(one.series, one.place);
    for (const [{ instants, kind, kinds }, place] of there) {
      let latest = -1;
      for (let i = 0; i < instants.length; i++) if (latest < 0 || instants[i] >= instants[latest]) latest = i;
      if (latest >= 0 && kinds[kind[latest]][1] !== "ok") throw new Fault("cut_short", place);
    }
  }

  days() {
    const { days, period } = this.about, first = dayStart(days[0]), last = dayStart(days[1]);
    if (first > instant(period.start) || last + DAY < instant(period.to)) this.bad("days", "days_short", "about.json: days");
    const sealed = new Set(this.entries.filter((one) => one.data.kind === "day").map((one) => dayStart(one.day))), missing = [];
    for (const day of sealed) if (day < first) this.bad("days", "days_more", dayName(day));
    for (let day = first; day <= last; day += DAY) if (!sealed.has(day)) missing.push(dayName(day));
    this.missing = missing;
    if (missing.length) this.say("days", "but", "days_missing", { count: missing.length, days: missing.slice(0, 5).join(", ") });
    else if (this.fine("days")) this.say("days", "good", "days", { count: (last - first) / DAY + 1 });
    if (!period.complete) this.say("days", "but", "running", { to: period.to });
  }

  async pages(pdf) {
    const match = /\/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]/.exec(latin(pdf));
    if (!match) throw new Fault("pdf_unsigned", "PDF");
    const [a, b, c, d] = match.slice(1).map(Number), hole = latin(pdf.subarray(b, c));
    if (a !== 0 || hole[0] !== "<" || hole.at(-1) !== ">" || c + d > pdf.length) throw new Fault("pdf_hole", "PDF");
    const inner = hole.slice(1, -1);
    let opened, raw;
    try {
      raw = unhex(inner.toLowerCase());
      const { whole } = der0(raw);
      if ((inner !== inner.toLowerCase() && inner !== inner.toUpperCase()) || raw.subarray(whole.length).some(Boolean)) throw new Fault("pdf_hole", "PDF");
      opened = await openSigned(whole, concat(pdf.subarray(0, b), pdf.subarray(c, c + d)));
    } catch { throw new Fault("pdf_wrong", "PDF"); }
    if (hex(sha256(opened.certificate)) !== this.about.pdf_signer) throw new Fault("pdf_other", "PDF");
    const added = pdf.length - c - d;
    if (added) this.say("statement", "but", "pdf_added", { bytes: added });
    else this.say("statement", "good", "pdf", { name: subjectOf(opened.certificate) });
  }
}

// What stands of the events of a contract: corrections folded in (§8.10).
function foldEvents(events, contract) {
  const roots = new Map(), rootOfId = new Map();
  for (const event of events) {
    if (event.event === "correction") {
      const root = rootOfId.get(event.corrects);
      if (root === undefined) continue;
      rootOfId.set(event.id, root);
      roots.get(root).data = event.data.replace === undefined ? null : event.data.replace;
    } else if (event.data && event.data.contract === contract) {
      roots.set(event.id, { kind: event.event, data: event.data });
      rootOfId.set(event.id, event.id);
    }
  }
  const of = (kind) => [...roots].filter(([, one]) => one.kind === kind && one.data !== null)
    .map(([id, { data: { contract: _, about: __, source: ___, ...rest } }]) => ({ ...rest, id }));
  return { maintenance: of("maintenance"), exclusions: of("exclusion"), reports: of("report") };
}

function plainEvent(event) { // one spelling for what says the same
  const out = { kind: undefined, ...event };
  for (const key of ["start", "end", "at", "announced"]) if (out[key]) out[key] = new Date(Date.parse(out[key])).toISOString();
  if (out.services && !out.services.length) delete out.services;
  if (out.start && !out.reason) out.kind ||= "scheduled";
  for (const key of Object.keys(out)) if (out[key] === undefined || out[key] === null) delete out[key];
  return out;
}

const mod1 = (a, b) => ((a % b) + b) % b;
const latin = (data) => { let out = ""; for (let i = 0; i < data.length; i += 65536) out += String.fromCharCode(...data.subarray(i, i + 65536)); return out; };
const text5 = (data) => latin(data.subarray(0, 5));
const der0 = (data) => {
  let length = data[1], head = 2;
  if (length & 0x80) { head += length & 0x7f; length = 0; for (let i = 2; i < head; i++) length = length * 256 + data[i]; }
  return { whole: data.subarray(0, head + length) };
};
function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const part of parts) { out.set(part, at); at += part.length; }
  return out;
}

// The bundle attached to a PDF (§7).
async function bundleOf(pdf) {
  const all = latin(pdf), found = [];
  for (const match of all.matchAll(/\/Type\s*\/EmbeddedFile\b/g)) {
    let at = all.indexOf("stream", match.index);
    if (at < 0) continue;
    at += all.startsWith("\r\n", at + 6) ? 8 : 7;
    if (all.startsWith(`${FORMAT}\n`, at)) {
      const length = /\/Length\s+(\d+)/.exec(all.slice(all.lastIndexOf("obj", match.index), at));
      if (length) found.push(pdf.subarray(at, at + Number(length[1])));
      continue;
    }
    let data;
    try { data = await inflate(pdf.subarray(at, all.indexOf("endstream", at)), ROOM + 100 * pdf.length, true); } catch { continue; }
    if (latin(data.subarray(0, FORMAT.length)) === FORMAT) found.push(data);
  }
  if (found.length !== 1) throw new Fault("pdf_no_bundle", "PDF");
  return found[0];
}

async function verify(data, known) { return new Verification(known).run(data); }
