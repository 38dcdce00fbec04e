// What Spark shows for a scene file (.ply, .compressed.ply, .splat, .spz): runs the WASM worker that its npm package
// carries, without browser or GPU.
//
//   node spark_decode.mjs IN OUT.bin
//
// OUT.bin gets Spark's PackedSplats words, 16 bytes a splat, without padding; standard output says {"numSplats": n}.
// The worker's text and the WASM are constants inside Spark's bundle, so this depends on the pinned version.
import { readFileSync, writeFileSync } from "node:fs";
import { extname } from "node:path";
import vm from "node:vm";

const bundlePath = new URL("../../web/node_modules/@sparkjsdev/spark/dist/spark.module.js", import.meta.url);

/** The value of a top-level string constant of the bundle, which is on a line of its own. */
function stringConstant(lines, before, after) {
  const line = lines.find((text) => text.startsWith(before) && text.endsWith(after));
  if (line === undefined) throw new Error(`this version of Spark has no line "${before}…${after}"`);
  return vm.runInNewContext(line.slice(before.length, line.length - after.length));
}

/** Starts the worker's text on a stand-in for `self`. Returns call(name, args) → Promise of the worker's result. */
function startWorker(workerText, module) {
  const listeners = new Set();
  const pending = new Map();
  const self = {
    addEventListener: (_type, listener) => listeners.add(listener),
    removeEventListener: (_type, listener) => listeners.delete(listener),
    postMessage: ({ id, result, error, status }) => {
      if (status !== undefined) return;
      const { resolve, reject } = pending.get(id);
      if (error !== undefined) reject(error);
      else resolve(result);
    },
  };
  const deliver = (data) => listeners.forEach((listener) => listener({ data }));
  new Function("self", workerText)(self);
  deliver({ name: "init-wasm", module });
  let lastId = 0;
  return (name, args) =>
    new Promise((resolve, reject) => {
      pending.set(++lastId, { resolve, reject });
      deliver({ id: lastId, name, args });
    });
}

const [scenePath, wordsPath] = process.argv.slice(2);
const lines = readFileSync(bundlePath, "utf8").split("\n");
const workerText = stringConstant(lines, "const jsContent = ", ";");
const wasm = Buffer.from(stringConstant(lines, "const WASM = decode64(", ").buffer;"), "base64");
const call = startWorker(workerText, await WebAssembly.compile(wasm));
const { numSplats, packedArray } = await call("loadPackedSplats", {
  fileBytes: new Uint8Array(readFileSync(scenePath)),
  fileType: extname(scenePath).slice(1),
  pathName: scenePath,
});
writeFileSync(wordsPath, new Uint8Array(packedArray.buffer, packedArray.byteOffset, numSplats * 16));
console.log(JSON.stringify({ numSplats }));
