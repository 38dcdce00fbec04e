// A step of a recording → what the screen shows of it: the camera's result as it came, or the nodes of a program's
// scene. Pure.
import { decode, isResult, WireError } from "../wire.js";
import { ScamError } from "./scam.js";

const IN_SPACE = ["splats16", "pointcloud", "compact", "gaussian_ply"];

/** step: as the player shows it → a result for view/screen.js. Throws ScamError. */
export function resultOf({ scene, info }) {
  const node = scene.get("scene");
  if (info.source === "recording" && node?.kind === "result") return liveResult(node, scene.get("camera"));
  const nodes = new Map();
  for (const [name, other] of scene) {
    const result = other.kind === "result" ? liveResult(other) : { ...other, type: other.kind };
    if (IN_SPACE.includes(result.type)) nodes.set(name, keepOne(other, result));
  }
  return { type: "nodes", nodes, model: "nodes", grid: [] };
}

/** name → JPEG, of what has no place in space. */
export function picturesOf({ scene }) {
  const pictures = [...scene].filter(([, node]) => node.kind === "picture");
  return new Map(pictures.map(([name, { jpeg }]) => [name, jpeg]));
}

const results = new WeakMap(); // of a node: the view knows by it what did not change

function keepOne(node, result) {
  if (!results.has(node)) results.set(node, result);
  return results.get(node);
}

function liveResult({ message }, camera) {
  try {
    const result = decode(message.slice().buffer);
    if (!isResult(result)) throw new WireError(`${result.type} is no result`);
    // A copy: what goes to the worker takes the buffer behind it along, which is that of the whole block.
    return result.type === "compact" ? { ...result, color: result.color ?? camera?.jpeg?.slice() } : result;
  } catch (error) {
    if (error instanceof WireError) throw new ScamError(`a step of the recording cannot be read (${error.message})`);
    throw error;
  }
}
