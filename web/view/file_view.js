// A file of splats that somebody dropped → one SplatMesh. Knows the formats and which way up they are.
import { SplatFileType, SplatMesh } from "@sparkjsdev/spark";
import { boundsOf } from "./framing.js";
import { centerOf } from "./packed16.js";

/**
 * By the end of the file's name; some of them cannot be told by their bytes. Trained scenes are in COLMAP's axes
 * (y down), as ours. SPZ and SOG are y up by their definition, and Spark reads the numbers as they are.
 */
const FORMATS = {
  ply: { type: SplatFileType.PLY, up: "-y" },
  spz: { type: SplatFileType.SPZ, up: "+y" },
  splat: { type: SplatFileType.SPLAT, up: "-y" },
  ksplat: { type: SplatFileType.KSPLAT, up: "-y" },
  sog: { type: SplatFileType.PCSOGSZIP, up: "+y" },
};
export const FILE_EXTENSIONS = Object.keys(FORMATS);

export class FileView {
  #stage;
  #mesh = null;

  constructor(stage) {
    this.#stage = stage;
  }

  /** File → {mesh, bounds in OpenCV axes, dispose()}. Rejects with an Error whose message is a sentence. */
  async read(file) {
    const format = FORMATS[file.name.split(".").pop().toLowerCase()];
    const known = FILE_EXTENSIONS.map((extension) => `.${extension}`).join(", ");
    if (format === undefined) throw new Error(`“${file.name}” is not of a format that this page shows: ${known}.`);
    const mesh = await readMesh(file, format.type);
    if (mesh.numSplats === 0) {
      mesh.dispose();
      throw new Error(`“${file.name}” holds no splats.`);
    }
    if (format.up === "+y") mesh.rotation.x = Math.PI; // the scene is turned for the other axes; this undoes it
    return { mesh, bounds: boundsOfMesh(mesh, format.up === "+y" ? -1 : 1), dispose: () => mesh.dispose() };
  }

  /** scene: of read(); onReady(isDrawn) as in the other views. */
  show({ mesh }, onReady) {
    this.clear();
    this.#mesh = mesh;
    this.#stage.content.add(mesh);
    this.#stage.requestRender();
    onReady(this.#stage.whetherDrawn());
  }

  clear() {
    if (this.#mesh === null) return;
    this.#stage.content.remove(this.#mesh);
    this.#mesh.dispose();
    this.#mesh = null;
    this.#stage.requestRender();
  }
}

async function readMesh(file, fileType) {
  let mesh = null;
  try {
    mesh = new SplatMesh({ fileBytes: await file.arrayBuffer(), fileType, fileName: file.name });
    return await mesh.initialized;
  } catch (error) {
    mesh?.dispose();
    throw new Error(`“${file.name}” cannot be read: ${error?.message ?? error}`);
  }
}

/** By the splats' centres; y and z times `sign`. */
function boundsOfMesh(mesh, sign) {
  const { packedArray, numSplats } = mesh.packedSplats;
  return boundsOf(numSplats, (i) => {
    const [x, y, z] = centerOf(packedArray, i);
    return [x, sign * y, sign * z];
  });
}
