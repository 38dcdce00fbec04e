// The golden messages of tests/golden for JavaScript: {name, bytes, meaning}, byte fields as Uint8Array.
import { createRequire } from "node:module";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), "..", "golden");

/** msgpack from the page's packages: {encode, decode}. */
export const msgpack = createRequire(join(FOLDER, "..", "..", "web", "package.json"))("@msgpack/msgpack");

/** `side`: "client" or "server". */
export function goldens(side) {
  const names = readdirSync(FOLDER).filter((name) => name.startsWith(`${side}.`) && name.endsWith(".msgpack"));
  return names.map((file) => {
    const name = file.slice(side.length + 1, -".msgpack".length);
    const meaning = JSON.parse(readFileSync(join(FOLDER, `${side}.${name}.json`), "utf8"), reviveBytes);
    return { name, bytes: new Uint8Array(readFileSync(join(FOLDER, file))), meaning };
  });
}

export function golden(side, name) {
  return goldens(side).find((one) => one.name === name);
}

function reviveBytes(_key, value) {
  if (value?.hex === undefined) return value;
  const content = Buffer.from(value.hex, "hex");
  const bytes = new Uint8Array(content.length + value.then_zeros);
  bytes.set(content);
  return bytes;
}
