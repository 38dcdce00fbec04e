// The msgpack map inside a block → values, within limits that no file can stretch. Knows no block and no field; byte
// strings are views into the payload. Twin of splatcam/timeline/payload.py.
import { ScamError } from "./scam_error.js";

export const MAX_RAW_BYTES = 1 << 27;
const MAX_CONTAINERS = 1 << 16;
const MAX_LENGTH = 1 << 12; // of one map or list
const MAX_VALUES = 1 << 20; // in all of them together
const MAX_STRING = 1024;
const MAX_DEPTH = 1000;

const text = new TextDecoder("utf-8", { fatal: true });

/** Uint8Array → an object without a prototype. Throws ScamError, nothing else. */
export function unpackPayload(bytes) {
  const reader = new Reader(bytes);
  const payload = reader.read(0);
  demand(reader.isAtEnd, "there is more after the end of the map");
  demand(isMap(payload), "a map is expected");
  return payload;
}

export function isMap(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function demand(condition, what) {
  if (!condition) throw new ScamError(`not a msgpack map: ${what}`);
}

class Reader {
  #bytes;
  #view;
  #at = 0;
  #containers = 0;
  #values = 0;

  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd() {
    return this.#at === this.#bytes.length;
  }

  read(depth) {
    demand(depth < MAX_DEPTH, "nested too deeply");
    const type = this.#view.getUint8(this.#skip(1));
    if (type < 0x80) return type;
    if (type < 0x90) return this.map(type & 0x0f, depth);
    if (type < 0xa0) return this.list(type & 0x0f, depth);
    if (type < 0xc0) return this.string(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    const read = TYPES[type];
    demand(read !== undefined, "an extension type");
    return read(this, depth);
  }

  /** The next `size` bytes are taken; where they begin. */
  #skip(size) {
    const at = this.#at;
    demand(size <= this.#bytes.length - at, "it ends too early");
    this.#at += size;
    return at;
  }

  number(size, get) {
    const value = Number(this.#view[get](this.#skip(size)));
    demand(get.startsWith("getFloat") || Number.isSafeInteger(value), "an integer beyond 53 bits");
    return value;
  }

  binary(size) {
    const at = this.#skip(size);
    return this.#bytes.subarray(at, at + size);
  }

  string(size) {
    demand(size <= MAX_STRING, "a string is too long");
    const bytes = this.binary(size);
    try {
      return text.decode(bytes);
    } catch {
      throw new ScamError("not a msgpack map: a string is no UTF-8");
    }
  }

  list(length, depth) {
    this.#count(length, length);
    return Array.from({ length }, () => this.read(depth + 1));
  }

  map(length, depth) {
    this.#count(length, 2 * length);
    const map = Object.create(null); // a name may be "__proto__"
    for (let i = 0; i < length; i += 1) {
      const name = this.read(depth + 1);
      demand(typeof name === "string", "a key is no string");
      demand(!(name in map), "a key comes twice");
      map[name] = this.read(depth + 1);
    }
    return map;
  }

  /** A byte of msgpack may stand for an empty map of sixty bytes of memory. */
  #count(length, values) {
    this.#containers += 1;
    this.#values += values;
    const isTooMuch = this.#containers > MAX_CONTAINERS || this.#values > MAX_VALUES;
    demand(length <= MAX_LENGTH && !isTooMuch, "too many values");
  }
}

const sizeOf = { 1: "getUint8", 2: "getUint16", 4: "getUint32" };
const sized = (size, read) => (reader, depth) => read(reader, reader.number(size, sizeOf[size]), depth);
const binary = (reader, size) => reader.binary(size);
const string = (reader, size) => reader.string(size);
const list = (reader, length, depth) => reader.list(length, depth);
const map = (reader, length, depth) => reader.map(length, depth);
const number = (size, get) => (reader) => reader.number(size, get);

/** What follows a type byte, by the table of the msgpack specification. Extension types are left out. */
const TYPES = {
  0xc0: () => null, 0xc2: () => false, 0xc3: () => true,
  0xc4: sized(1, binary), 0xc5: sized(2, binary), 0xc6: sized(4, binary),
  0xca: number(4, "getFloat32"), 0xcb: number(8, "getFloat64"),
  0xcc: number(1, "getUint8"), 0xcd: number(2, "getUint16"), 0xce: number(4, "getUint32"),
  0xcf: number(8, "getBigUint64"),
  0xd0: number(1, "getInt8"), 0xd1: number(2, "getInt16"), 0xd2: number(4, "getInt32"), 0xd3: number(8, "getBigInt64"),
  0xd9: sized(1, string), 0xda: sized(2, string), 0xdb: sized(4, string),
  0xdc: sized(2, list), 0xdd: sized(4, list), 0xde: sized(2, map), 0xdf: sized(4, map),
};
