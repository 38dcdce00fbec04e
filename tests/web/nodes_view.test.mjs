// web/view/nodes_view.js: views are kept by name, what did not change is not touched, what is gone is cleared.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { NodesView } from "../../web/view/nodes_view.js";

let made, view, isDrawn;
beforeEach(() => {
  [made, isDrawn] = [[], true];
  view = new NodesView((type) => {
    const one = {
      type, shown: [], cleared: 0, bounds: undefined, clear: () => (one.cleared += 1),
      show: (node, onReady) => (one.shown.push(node), onReady(() => isDrawn)),
    };
    made.push(one);
    return one;
  });
});
const nodes = (entries) => ({ nodes: new Map(Object.entries(entries)) });
const splats = () => ({ type: "splats16" });

test("a node that changes keeps its view, and one that does not is not touched", () => {
  const still = splats();
  view.show(nodes({ still, moving: splats() }), () => {});
  view.show(nodes({ still, moving: splats() }), () => {});
  assert.deepEqual(made.map(({ shown }) => shown.length), [1, 2]);
});

test("what is gone is cleared, and what becomes another kind gets another view", () => {
  view.show(nodes({ a: splats(), b: splats() }), () => {});
  view.show(nodes({ a: { type: "pointcloud" } }), () => {});
  const cleared = made.map((one) => [one.type, one.cleared]);
  assert.deepEqual(cleared, [["splats16", 1], ["splats16", 1], ["pointcloud", 0]]);
  view.clear();
  assert.equal(made[2].cleared, 1);
});

test("a step is drawn when all of its nodes are", () => {
  let drawn;
  isDrawn = false;
  view.show(nodes({ a: splats(), b: splats() }), (question) => (drawn = question));
  assert.equal(drawn(), false);
  isDrawn = true;
  assert.equal(drawn(), true);
});

test("the box is around all nodes, and there is none around nothing", () => {
  assert.equal(view.bounds, undefined);
  view.show(nodes({ a: splats(), b: splats(), c: splats() }), () => {});
  made[0].bounds = { minimum: [0, 0, 0], maximum: [1, 1, 1] };
  made[1].bounds = { minimum: [-2, 0.5, 0], maximum: [0, 3, 0.5] };
  assert.deepEqual(view.bounds, { minimum: [-2, 0, 0], maximum: [1, 3, 1] });
});
