// A result → the bytes of an SPZ file, by Spark's own writer. Needs its WebAssembly: browsers only.
import { defines, PackedSplats, SplatFileType, utils, writeSpz } from "@sparkjsdev/spark";
import { gaussianPlyOf, splatInWorld } from "./ply.js";
import { capacityFor, unpack } from "../view/packed16.js";

const COLOUR_ONLY = 0; // no further harmonics

/** Resolves to a Uint8Array; points become splats. Rejects where Spark cannot write it. */
export async function spzOf(result) {
  const isPacked = result.type === "splats16";
  const records = isPacked ? result.data : await recordsOfPly(gaussianPlyOf(result));
  const pose = isPacked ? result.pose : undefined; // in a PLY everything is in the world already
  const numSplats = result.num_splats ?? result.num_points;
  const splatEncoding = defines.DEFAULT_SPLAT_ENCODING;
  const packed = new PackedSplats({ packedArray: turned(records, numSplats, pose), numSplats, splatEncoding });
  try {
    return writeSpz(packed, COLOUR_ONLY).fileBytes;
  } finally {
    packed.dispose();
  }
}

async function recordsOfPly(fileBytes) {
  const packed = new PackedSplats({ fileBytes, fileType: SplatFileType.PLY });
  try {
    await packed.initialized;
    return new Uint8Array(packed.packedArray.buffer);
  } finally {
    packed.dispose();
  }
}

/**
 * Spark's words, half a turn about x: SPZ is y up by its definition, our axes are y down, and Spark writes the numbers
 * as they are. A Gaussian looks the same turned about its own axes, so that its angle stays and only its axis changes.
 */
function turned(records, count, pose) {
  const words = new Uint32Array(4 * capacityFor(count));
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  for (let i = 0; i < count; i += 1) {
    const splat = splatInWorld(unpack(view, i), pose);
    const { center: [x, y, z], lnScales, rotation: [w, a, b, c], opacity, rgb } = splat;
    utils.setPackedSplat(words, i, x, -y, -z, ...lnScales.map(Math.exp), a, -b, -c, w, opacity, ...rgb);
  }
  return words;
}
