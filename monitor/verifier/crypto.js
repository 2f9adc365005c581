// SHA-256, SHA-512, HMAC, Ed25519, DER and CMS: what the proof's arithmetic needs.
"use strict";

const K256 = new Int32Array(64), K512 = [], H256 = new Int32Array(8), H512 = [], SCHEDULE = new Int32Array(64);
(() => { // FIPS 180-4: the constants are the fractions of the roots of the first primes
  const root = (n, k, bits) => { // floor(n^(1/k) * 2^bits), exactly
    let low = 0n, high = 1n << BigInt(bits + 9); const goal = BigInt(n) << BigInt(bits * k);
    while (low < high) { const mid = (low + high + 1n) >> 1n; if (mid ** BigInt(k) <= goal) low = mid; else high = mid - 1n; }
    return low;
  };
  const primes = [];
  for (let n = 2; primes.length < 80; n++) if (primes.every((p) => n % p)) primes.push(n);
  primes.forEach((p, i) => {
    const cube = root(p, 3, 64) & 0xffffffffffffffffn;
    K512.push(cube);
    if (i < 64) K256[i] = Number(cube >> 32n);
    if (i < 8) { const square = root(p, 2, 64) & 0xffffffffffffffffn; H512.push(square); H256[i] = Number(square >> 32n); }
  });
})();

class Sha256 {
  constructor(other) {
    this.h = other ? other.h.slice() : H256.slice();
    this.block = other ? other.block.slice() : new Uint8Array(64);
    this.used = other ? other.used : 0;
    this.length = other ? other.length : 0;
    this.w = SCHEDULE;
  }
  update(data) {
    this.length += data.length;
    let at = 0;
    if (this.used) {
      const take = Math.min(64 - this.used, data.length);
      this.block.set(data.subarray(0, take), this.used);
      this.used += take; at = take;
      if (this.used < 64) return this;
      this.compress(this.block, 0); this.used = 0;
    }
    for (; at + 64 <= data.length; at += 64) this.compress(data, at);
    this.block.set(data.subarray(at)); this.used = data.length - at;
    return this;
  }
  compress(data, at) {
    const w = this.w, h = this.h; // Int32Array: everything stays in 32-bit integers
    for (let i = 0; i < 16; i++, at += 4) w[i] = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      w[i] = (w[i - 16] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) | 0)
        + (w[i - 7] + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10) | 0) | 0;
    }
    let a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], z = h[7];
    for (let i = 0; i < 64; i++) {
      const t = ((z + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) | 0) + ((e & f ^ ~e & g) + (K256[i] + w[i] | 0) | 0)) | 0;
      const u = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
      z = g; g = f; f = e; e = d + t | 0; d = c; c = b; b = a; a = t + u | 0;
    }
    h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += z;
  }
  digest() {
    const last = new Sha256(this), bits = this.length * 8, pad = new Uint8Array((this.used < 56 ? 56 : 120) - this.used + 8);
    pad[0] = 0x80;
    const view = new DataView(pad.buffer);
    view.setUint32(pad.length - 8, Math.floor(bits / 2 ** 32)); view.setUint32(pad.length - 4, bits >>> 0);
    last.update(pad);
    const out = new Uint8Array(32), words = new DataView(out.buffer);
    last.h.forEach((word, i) => words.setInt32(i * 4, word));
    return out;
  }
}

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), new Sha256()).digest();

function sha512(data) { // short inputs only: BigInt is slow
  const mask = 0xffffffffffffffffn, h = H512.slice(), total = data.length;
  const padded = new Uint8Array(Math.ceil((total + 17) / 128) * 128);
  padded.set(data); padded[total] = 0x80;
  new DataView(padded.buffer).setBigUint64(padded.length - 8, BigInt(total) * 8n);
  const view = new DataView(padded.buffer), turn = (x, n) => (x >> n | x << 64n - n) & mask;
  for (let at = 0; at < padded.length; at += 128) {
    const w = [];
    for (let i = 0; i < 16; i++) w.push(view.getBigUint64(at + i * 8));
    for (let i = 16; i < 80; i++) {
      const x = w[i - 15], y = w[i - 2];
      w.push(w[i - 16] + (turn(x, 1n) ^ turn(x, 8n) ^ x >> 7n) + w[i - 7] + (turn(y, 19n) ^ turn(y, 61n) ^ y >> 6n) & mask);
    }
    let [a, b, c, d, e, f, g, z] = h;
    for (let i = 0; i < 80; i++) {
      const t = z + (turn(e, 14n) ^ turn(e, 18n) ^ turn(e, 41n)) + (e & f ^ ~e & mask & g) + K512[i] + w[i];
      const u = (turn(a, 28n) ^ turn(a, 34n) ^ turn(a, 39n)) + (a & b ^ a & c ^ b & c);
      z = g; g = f; f = e; e = d + t & mask; d = c; c = b; b = a; a = t + u & mask;
    }
    [a, b, c, d, e, f, g, z].forEach((value, i) => { h[i] = h[i] + value & mask; });
  }
  const out = new Uint8Array(64), words = new DataView(out.buffer);
  h.forEach((word, i) => words.setBigUint64(i * 8, word));
  return out;
}

function hmacSha256(key, data) { // keys of at most 64 bytes
  const pad = (byte) => { const block = new Uint8Array(64).fill(byte); key.forEach((k, i) => { block[i] ^= k; }); return block; };
  return sha256(pad(0x5c), sha256(pad(0x36), data));
}

// --- Ed25519 (RFC 8032)

const P = 2n ** 255n - 19n, L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (x, m = P) => { const r = x % m; return r < 0n ? r + m : r; };
const power = (x, e) => { let r = 1n; for (x = mod(x); e; e >>= 1n, x = mod(x * x)) if (e & 1n) r = mod(r * x); return r; };
const D = mod(-121665n * power(121666n, P - 2n)), I = power(2n, (P - 1n) / 4n);
const little = (bytes) => bytes.reduceRight((n, byte) => n << 8n | BigInt(byte), 0n);

function decodePoint(bytes) {
  let y = little(bytes); const sign = y >> 255n; y &= (1n << 255n) - 1n;
  if (y >= P) return null;
  const u = mod(y * y - 1n), v = mod(D * y * y + 1n);
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
  if (mod(v * x * x) !== u) x = mod(x * I);
  if (mod(v * x * x) !== u || (x === 0n && sign)) return null;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

function addPoints([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2)), b = mod((y1 + x1) * (y2 + x2)), c = mod(2n * D * t1 * t2), d = mod(2n * z1 * z2);
  const e = b - a, f = d - c, g = d + c, h = b + a;
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function timesPoint(point, n) {
  let sum = [0n, 1n, 1n, 0n];
  for (; n; n >>= 1n, point = addPoints(point, point)) if (n & 1n) sum = addPoints(sum, point);
  return sum;
}

const BASE = [15112221349535400772501151409588531511454012693041857206046113283949847762202n, 46316835694926478169428394003475163141307993866256225615783033603165251855960n];
BASE.push(1n, mod(BASE[0] * BASE[1]));

function ed25519Plain(key, signature, data) {
  const s = little(signature.subarray(32)), a = decodePoint(key), r = decodePoint(signature.subarray(0, 32));
  if (s >= L || !a || !r) return false;
  const joined = new Uint8Array(64 + data.length);
  joined.set(signature.subarray(0, 32)); joined.set(key, 32); joined.set(data, 64);
  const k = mod(little(sha512(joined)), L), left = timesPoint(BASE, s), right = addPoints(r, timesPoint(a, k));
  return mod(left[0] * right[2] - right[0] * left[2]) === 0n && mod(left[1] * right[2] - right[1] * left[2]) === 0n;
}

let subtleEd25519 = null; // whether the browser has Ed25519 itself
async function ed25519(key, signature, data) {
  if (signature.length !== 64 || key.length !== 32) return false;
  if (subtleEd25519 === null) {
    try {
      await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
      subtleEd25519 = true;
    } catch { subtleEd25519 = false; }
  }
  if (!subtleEd25519) return ed25519Plain(key, signature, data);
  try {
    const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, imported, signature, data);
  } catch { return false; }
}

// --- DER (X.690) and CMS (RFC 5652)

function der(data) {
  const found = [];
  for (let at = 0; at < data.length;) {
    let length = data[at + 1], head = 2;
    if (length & 0x80) {
      head += length & 0x7f; length = 0;
      for (let i = 2; i < head; i++) length = length * 256 + data[at + i];
    }
    if (!(at + head + length <= data.length)) throw new Fault("der");
    found.push({ tag: data[at], content: data.subarray(at + head, at + head + length), whole: data.subarray(at, at + head + length) });
    at += head + length;
  }
  return found;
}

const DER_HASHES = { "608648016503040201": "SHA-256", "608648016503040202": "SHA-384", "608648016503040203": "SHA-512" };
const CURVES = { "2a8648ce3d030107": ["P-256", 32], "2b81040022": ["P-384", 48], "2b81040023": ["P-521", 66] };

async function hash(name, data) {
  return name === "SHA-256" ? sha256(data) : new Uint8Array(await crypto.subtle.digest(name, data));
}

// Whether the key of a certificate made the signature.
async function signedBy(certificate, algorithm, hashName, signature, data) {
  const fields = der(der(der(certificate)[0].content)[0].content);
  const spki = fields[fields[0].tag === 0xa0 ? 6 : 5], kind = der(der(spki.content)[0].content), oid = hex(kind[0].content);
  if (oid === "2a8648ce3d0201") {
    const [curve, size] = CURVES[hex(kind[1].content)];
    const raw = new Uint8Array(size * 2);
    der(der(signature)[0].content).forEach((number, i) => {
      const bytes = number.content.subarray(Math.max(0, number.content.length - size));
      raw.set(bytes, size * (i + 1) - bytes.length);
    });
    const key = await crypto.subtle.importKey("spki", spki.whole, { name: "ECDSA", namedCurve: curve }, false, ["verify"]);
    return crypto.subtle.verify({ name: "ECDSA", hash: hashName }, key, raw, data);
  }
  if (oid === "2b6570") return ed25519(der(spki.content)[1].content.subarray(1), signature, data);
  if (oid !== "2a864886f70d010101") return false;
  const pss = hex(algorithm) === "2a864886f70d01010a", name = pss ? "RSA-PSS" : "RSASSA-PKCS1-v1_5";
  const key = await crypto.subtle.importKey("spki", spki.whole, { name, hash: hashName }, false, ["verify"]);
  const saltLength = { "SHA-256": 32, "SHA-384": 48, "SHA-512": 64 }[hashName];
  return crypto.subtle.verify(pss ? { name, saltLength } : { name }, key, signature, data);
}

// Open a SignedData with one signer; `detached` is what is signed, where it does not stand inside.
async function openSigned(data, detached, extra = []) {
  const parts = der(der(der(der(data)[0].content)[1].content)[0].content), inner = der(parts[2].content);
  const content = inner.length > 1 ? der(inner[1].content)[0].content : null, certificates = [...extra];
  for (const part of parts.slice(3, -1)) if (part.tag === 0xa0) for (const one of der(part.content)) certificates.push(one.whole);
  const signers = der(parts[parts.length - 1].content);
  if (signers.length !== 1) throw new Fault("cms");
  const fields = der(signers[0].content), who = der(fields[1].content);
  const mine = certificates.find((one) => {
    const inside = der(der(der(one)[0].content)[0].content), from = inside[0].tag === 0xa0 ? 1 : 0;
    return fields[1].tag === 0x30 && who.length === 2 && hex(inside[from].whole) === hex(who[1].whole) && hex(inside[from + 2].whole) === hex(who[0].whole);
  });
  if (!mine) throw new Fault("cms");
  const hashName = DER_HASHES[hex(der(fields[2].content)[0].content)], attributes = {};
  if (!hashName || fields[3].tag !== 0xa0) throw new Fault("cms");
  for (const one of der(fields[3].content)) { const [type, values] = der(one.content); attributes[hex(type.content)] = der(values.content)[0].content; }
  const signed = detached || content, set = fields[3].whole.slice();
  set[0] = 0x31; // RFC 5652 §5.4: signed are the attributes as a SET
  if (!signed || hex(attributes["2a864886f70d010904"] || new Uint8Array()) !== hex(await hash(hashName, signed))) throw new Fault("cms");
  if (!await signedBy(mine, der(fields[4].content)[0].content, hashName, fields[5].content, set)) throw new Fault("cms");
  return { content, certificate: mine };
}

async function openTimestamp(token, data, extra) {
  const opened = await openSigned(token, null, extra), info = der(der(opened.content)[0].content);
  const imprint = der(info[2].content), name = DER_HASHES[hex(der(imprint[0].content)[0].content)];
  if (!name || hex(imprint[1].content) !== hex(await hash(name, data))) throw new Fault("imprint");
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(text(info[4].content));
  return { at: Date.UTC(y, mo - 1, d, h, mi, s), certificate: opened.certificate };
}

// Whether a certificate is one of the anchors, or was issued by one of them.
async function isTrusted(certificate, anchors) {
  const [body, algorithm, signature] = der(der(certificate)[0].content), oid = hex(der(algorithm.content)[0].content);
  const hashName = { "0b": "SHA-256", "0c": "SHA-384", "0d": "SHA-512", "02": "SHA-256", "03": "SHA-384", "04": "SHA-512" }[oid.slice(-2)];
  for (const anchor of anchors) {
    if (hex(anchor) === hex(certificate)) return true;
    try {
      if (await signedBy(anchor, der(algorithm.content)[0].content, hashName, signature.content.subarray(1), body.whole)) return true;
    } catch { /* a key of another kind */ }
  }
  return false;
}

function subjectOf(certificate) { // the common name, for people
  const fields = der(der(der(certificate)[0].content)[0].content), subject = fields[fields[0].tag === 0xa0 ? 5 : 4];
  let name = "?";
  for (const set of der(subject.content)) for (const pair of der(set.content)) {
    const [type, value] = der(pair.content);
    if (hex(type.content) === "550403") name = text(value.content);
  }
  return name;
}

// --- bytes and text

class Fault extends Error { constructor(code, place, args) { super(code); this.code = code; this.place = place; this.args = args || {}; } }
const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const bytes = (value) => encoder.encode(value);
const text = (value) => decoder.decode(value);
const hex = (value) => { let out = ""; for (const byte of value) out += (byte < 16 ? "0" : "") + byte.toString(16); return out; };
const unhex = (value) => {
  if (!/^([0-9a-f]{2})*$/.test(value)) throw new Fault("hex");
  return Uint8Array.from(value.match(/../g) || [], (pair) => parseInt(pair, 16));
};
const base64 = (value) => btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join(""));
const unbase64 = (value) => {
  const out = Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
  if (base64(out) !== value) throw new Fault("base64");
  return out;
};

async function inflate(data, limit, lenient = false) { // a zlib stream (RFC 1950) of at most so many bytes
  const stream = new DecompressionStream("deflate"), writer = stream.writable.getWriter(), chunks = [];
  let size = 0;
  const written = writer.write(data).then(() => writer.close());
  written.catch(() => {});
  try {
    for (const reader = stream.readable.getReader(); ;) { const { done, value } = await reader.read(); if (done) break; chunks.push(value); size += value.length; if (size > limit) { reader.cancel().catch(() => {}); throw new Fault("zlib"); } }
    await written;
  } catch { if (!lenient || !chunks.length || size > limit) throw new Fault("zlib"); }
  const out = new Uint8Array(size);
  let at = 0;
  for (const one of chunks) { out.set(one, at); at += one.length; }
  return out;
}
