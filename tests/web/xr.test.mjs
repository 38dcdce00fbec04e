// web/view/xr.js with a fake navigator.xr and a fake stage. No headset was near.
import assert from "node:assert/strict";
import { test } from "node:test";
import { offerXr } from "../../web/view/xr.js";

class FakeXr {
  sessions = [];

  constructor(...supported) {
    this.supported = supported;
  }

  async isSessionSupported(mode) {
    return this.supported.includes(mode);
  }

  async requestSession(mode) {
    const session = { mode, isEnded: false, end: async () => (session.isEnded = true) };
    this.sessions.push(session);
    return session;
  }
}

class FakeStage {
  presented = [];

  async present(session) {
    this.presented.push(session);
  }
}

test("without navigator.xr, or without a headset, nothing is offered", async () => {
  assert.equal(await offerXr(new FakeStage(), undefined), null);
  assert.equal(await offerXr(new FakeStage(), new FakeXr()), null);
});

test("where a policy forbids the question nothing is offered", async () => {
  const forbidden = { isSessionSupported: () => Promise.reject(new DOMException("no", "SecurityError")) };
  assert.equal(await offerXr(new FakeStage(), forbidden), null);
});

for (const [supported, label, mode] of [
  [["immersive-vr"], "Enter VR", "immersive-vr"],
  [["immersive-ar"], "Enter AR", "immersive-ar"],
  [["immersive-ar", "immersive-vr"], "Enter VR", "immersive-vr"],
]) {
  test(`${supported.join(" and ")}: “${label}” is offered, and its session is handed to the stage`, async () => {
    const [stage, xr] = [new FakeStage(), new FakeXr(...supported)];
    const offer = await offerXr(stage, xr);
    assert.equal(offer.label, label);
    assert.deepEqual(stage.presented, []);
    await offer.enter();
    assert.equal(xr.sessions[0].mode, mode);
    assert.deepEqual(stage.presented, xr.sessions);
  });
}

test("a session that the stage cannot show is ended, and the fault is told", async () => {
  const [xr, stage] = [new FakeXr("immersive-vr"), { present: () => Promise.reject(new Error("no layer")) }];
  const offer = await offerXr(stage, xr);
  await assert.rejects(offer.enter(), /no layer/);
  assert.equal(xr.sessions[0].isEnded, true);
});

test("a person who says no is heard, and nothing is presented", async () => {
  const [xr, stage] = [new FakeXr("immersive-vr"), new FakeStage()];
  xr.requestSession = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  const offer = await offerXr(stage, xr);
  await assert.rejects(offer.enter(), { name: "NotAllowedError" });
  assert.deepEqual(stage.presented, []);
});
