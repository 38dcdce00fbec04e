// The views that a page with splats has: one per format, one for files, one for what programs recorded.
import { WorkerDecoder } from "../compact/decoder.js";
import { CompactView } from "./compact_view.js";
import { FileView } from "./file_view.js";
import { NodesView } from "./nodes_view.js";
import { PlyView } from "./ply_view.js";
import { PointsView } from "./points_view.js";
import { SplatView } from "./splat_view.js";

const makeDecoder = () => new WorkerDecoder({
  createWorker: () => new Worker(new URL("../compact/worker.js", import.meta.url), { type: "module" }),
  schedule: (callback, ms) => setTimeout(callback, ms),
});

/** onUnreadable(text): a frame that the renderer cannot read; onCompact: see compact_view.js. For view/screen.js. */
export function makeViews(stage, { onUnreadable, onCompact }) {
  const make = {
    compact: () => new CompactView(stage, makeDecoder(), onCompact),
    splats16: () => new SplatView(stage),
    gaussian_ply: () => new PlyView(stage, onUnreadable),
    pointcloud: () => new PointsView(stage),
  };
  return {
    compact: { view: make.compact(), renderer: "spark" },
    splats16: { view: make.splats16(), renderer: "spark" },
    gaussian_ply: { view: make.gaussian_ply(), renderer: "spark" },
    pointcloud: { view: make.pointcloud(), renderer: "three" },
    file: { view: new FileView(stage), renderer: "spark" },
    nodes: { view: new NodesView((type) => make[type]()), renderer: "spark" },
  };
}
