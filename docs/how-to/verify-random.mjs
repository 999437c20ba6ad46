// Checks a proof of randomness in a browser or in Node 20, with nothing but the standard library:
//   node verify-random.mjs proof.json [public key in base64]
// It says what does not hold and ends with 1, or prints the value and ends with 0. The bytes are described in ../explanation/randomness.md.
// All numbers here are public, so nothing needs to run in constant time.

const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const SUITE = 3;
const encoder = new TextEncoder();

const mod = (a) => ((a % P) + P) % P;
function power(base, exponent) {
  let result = 1n;
  for (base = mod(base); exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = mod(result * base);
    base = mod(base * base);
  }
  return result;
}
const invert = (a) => power(a, P - 2n);
const D = mod(-121665n * invert(121666n));
const ROOT = power(2n, (P - 1n) / 4n);

// Points of edwards25519 in extended coordinates (X, Y, Z, T).
const IDENTITY = [0n, 1n, 1n, 0n];
function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2)), b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * D * t1 * t2), d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}
function multiply(scalar, point) {
  let result = IDENTITY;
  for (; scalar > 0n; scalar >>= 1n, point = add(point, point)) if (scalar & 1n) result = add(result, point);
  return result;
}
const negate = ([x, y, z, t]) => [mod(-x), y, z, mod(-t)];
const number = (bytes) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
function encode([x, y, z]) {
  const scale = invert(z);
  let rest = mod(y * scale) | ((mod(x * scale) & 1n) << 255n);
  return Uint8Array.from({ length: 32 }, () => { const byte = Number(rest & 255n); rest >>= 8n; return byte; });
}
function decode(bytes) { // RFC 8032 section 5.1.3; null where the bytes encode no point
  const sign = number(bytes) >> 255n, y = number(bytes) & (2n ** 255n - 1n);
  if (bytes.length !== 32 || y >= P) return null;
  const square = mod((y * y - 1n) * invert(D * y * y + 1n));
  let x = power(square, (P + 3n) / 8n);
  if (mod(x * x) !== square) x = mod(x * ROOT);
  if (mod(x * x) !== square || (x === 0n && sign)) return null;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, mod(x * y)];
}
const isIdentity = ([x, y, z]) => x === 0n && y === z;
const isPrimeOrder = (point) => point !== null && !isIdentity(point) && isIdentity(multiply(ORDER, point));

const join = (...parts) => Uint8Array.from(parts.flatMap((p) => (typeof p === "number" ? [p] : [...p])));
const sha = async (name, ...parts) => new Uint8Array(await crypto.subtle.digest(name, join(...parts)));
async function hmac(key, data) {
  const made = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-512" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", made, data));
}
const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
const bigEndian = (value, size) => Uint8Array.from({ length: size }, (_, at) => Number((BigInt(value) >> BigInt(8 * (size - 1 - at))) & 255n));
const base64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

async function isSigned(key, message, signature) { // Ed25519, RFC 8032 section 5.1.7
  const a = decode(key), r = decode(signature.slice(0, 32)), s = number(signature.slice(32));
  if (signature.length !== 64 || s >= ORDER || r === null || !isPrimeOrder(a)) return false;
  const k = number(await sha("SHA-512", signature.slice(0, 32), key, message)) % ORDER;
  const left = multiply(s, BASE), right = add(r, multiply(k, a));
  return same(encode(left), encode(right));
}
const BASE = decode(Uint8Array.from({ length: 32 }, (_, at) => (at ? 0x66 : 0x58)));

async function provedOutput(key, alpha, proof) { // RFC 9381 section 5.3
  const y = decode(key), gamma = decode(proof.slice(0, 32)), s = number(proof.slice(48));
  if (proof.length !== 80 || s >= ORDER || !isPrimeOrder(y) || !isPrimeOrder(gamma)) return null;
  let point = null;
  for (let tries = 0; tries < 256 && (point === null || isIdentity(point)); tries++) {
    const tried = decode((await sha("SHA-512", SUITE, 1, key, alpha, tries, 0)).slice(0, 32));
    point = tried && multiply(8n, tried);
  }
  const c = number(proof.slice(32, 48));
  const u = add(multiply(s, BASE), negate(multiply(c, y))), v = add(multiply(s, point), negate(multiply(c, gamma)));
  const challenge = await sha("SHA-512", SUITE, 2, key, encode(point), proof.slice(0, 32), encode(u), encode(v), 0);
  return same(challenge.slice(0, 16), proof.slice(32, 48)) ? sha("SHA-512", SUITE, 3, encode(multiply(8n, gamma)), 0) : null;
}

const label = (name) => encoder.encode(`servicelayer/random/${name}/v1\0`);
async function blocks(length, make) {
  const whole = [];
  for (let index = 0; whole.length < length; index++) whole.push(...(await make(index)));
  return Uint8Array.from(whole.slice(0, length));
}
function nanoseconds(text) {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{0,8}[1-9]))?Z$/.exec(text);
  return found && BigInt(Date.parse(`${found[1]}Z`)) * 1000000n + BigInt((found[2] ?? "").padEnd(9, "0"));
}

/** Checks a parsed proof document; resolves to the verifiable value, rejects with the reason. */
export async function verifyRandom({ format, draw, key, signed, vrf }, expectedKey) {
  const must = (holds, reason) => { if (!holds) throw new Error(reason); };
  must(format === "servicelayer-random-proof/1", "the format is another");
  must(vrf.suite === "ECVRF-EDWARDS25519-SHA512-TAI", "the suite is another");
  must(expectedKey === undefined || key.public_key === expectedKey, "the public key is not the expected one");
  must((draw.id === undefined) === (draw.request_id !== ""), "a draw has either a request_id or an id");
  const publicKey = base64(key.public_key), vrfKey = base64(key.vrf_public_key);
  const id = [...(await sha("SHA-256", label("key-id"), publicKey)).slice(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  must(id === key.id, "the key's id does not belong to the public key");
  must(await isSigned(publicKey, join(0xff, label("vrf-key"), vrfKey), base64(key.vrf_key_signature)), "the signing key did not sign the VRF key");

  const at = nanoseconds(draw.created_at);
  must(at !== null && Number.isSafeInteger(draw.counter) && draw.counter >= 0 && draw.length >= 1 && draw.length <= 1024, "a number is out of range");
  const message = join(encoder.encode(draw.request_id), 0, bigEndian(draw.counter, 8), bigEndian(at, 8), bigEndian(draw.length, 4));
  const signature = base64(signed.signature);
  must(await isSigned(publicKey, message, signature), "the signature does not fit request id, counter, time and length");
  let last = new Uint8Array();
  const value = await blocks(draw.length, async (index) => (last = await hmac(signature, join(last, message, index + 1))));
  must(same(value, base64(signed.value)), "the signed value does not follow from the signature");

  const fields = [key.id, draw.account_id, ...(draw.request_id ? ["request", draw.request_id] : ["draw", draw.id]), draw.client_seed].map((text) => encoder.encode(text));
  const alpha = join(label("alpha"), ...fields.flatMap((field) => [bigEndian(field.length, 2), field]));
  must(same(alpha, base64(vrf.alpha)), "alpha is not made of this key, account, request and client seed");
  const output = await provedOutput(vrfKey, alpha, base64(vrf.proof));
  must(output !== null, "the VRF proof fails");
  must(same(output, base64(vrf.output)), "the VRF output does not follow from the proof");
  const verifiable = await blocks(draw.length, (index) => sha("SHA-512", label("bytes"), output, bigEndian(index, 4)));
  must(same(verifiable, base64(vrf.value)), "the VRF value does not follow from the output");
  return verifiable;
}

if (import.meta.filename !== undefined && globalThis.process?.argv[1] === import.meta.filename) {
  const { readFileSync } = await import("node:fs");
  const [, , file, expectedKey] = process.argv;
  try {
    const value = await verifyRandom(JSON.parse(readFileSync(file, "utf8")), expectedKey);
    console.log(`VERIFIED\nvalue ${Buffer.from(value).toString("hex")}`);
  } catch (fault) {
    console.log(`NOT VERIFIED: ${fault.message}`);
    process.exitCode = 1;
  }
}
