// What the page saves as PLY for a result message: `node page_ply.mjs IN.msgpack OUT.ply`.
import { readFileSync, writeFileSync } from "node:fs";
import { plyOf } from "../../web/save/ply.js";
import { decode } from "../../web/wire.js";

const [messagePath, plyPath] = process.argv.slice(2);
writeFileSync(plyPath, plyOf(decode(new Uint8Array(readFileSync(messagePath)).buffer)));
