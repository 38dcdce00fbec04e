// A program's timeline in its page: what the program writes is seen, what it wishes is done, and it hears of what is
// done here.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { finish, launch, meanColor, openPage, PYTHON, ROOT } from "./helpers.mjs";

const PATIENCE_MS = 120_000;
const LAST = 19;

let program, browser;
before(async () => {
  program = startProgram();
  program.address = await program.line();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  program?.child.stdin.end();
});

/** say(words) → the answer. */
function startProgram() {
  const child = spawn(PYTHON, ["-m", "tests.e2e.timeline_server"], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;
  const say = (words) => {
    child.stdin.write(`${words}\n`);
    return line();
  };
  return { child, line, say };
}

async function openTab() {
  const page = await openPage(browser, program.address);
  await shows(page, 0);
  return page;
}

function shows(page, step) {
  const isShown = (at) => window.splatcam?.deck.drawnStep === at;
  return page.waitForFunction(isShown, step, { timeout: PATIENCE_MS, polling: 50 });
}

/** Until the program says that its only viewer is there. */
async function isHeard(where) {
  for (let said = await program.say("where"); said !== where; said = await program.say("where")) {
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function tint(page) {
  const [red, green] = await meanColor(page, [0, 0, 1, 1]);
  return green > red + 1 ? "green" : "magenta";
}

test("the program moves the page, and hears where it is", async () => {
  const page = await openTab();
  await isHeard("0:False");
  await program.say("seek 9");
  await shows(page, 9);
  await isHeard("9:False");
  await program.say("play");
  await shows(page, LAST);
  await isHeard(`${LAST}:False`);
  await finish(page);
});

test("what a person does in the page is heard by the program", async () => {
  const page = await openTab();
  await page.evaluate(() => window.splatcam.player.seek(5));
  await isHeard("5:False");
  await page.evaluate(() => window.splatcam.player.play());
  await isHeard(`${LAST}:False`);
  await finish(page);
});

test("each tab is at its own step", async () => {
  const [one, other] = [await openTab(), await openTab()];
  await one.evaluate(() => window.splatcam.player.seek(3));
  await other.evaluate(() => window.splatcam.player.seek(4));
  await isHeard("3:False 4:False");
  await shows(one, 3);
  await shows(other, 4);
  await finish(one);
  await finish(other);
});

test("steps that are written again are seen at once in a page that shows them", async () => {
  const page = await openTab();
  assert.equal(await tint(page), "green");
  await program.say("paint");
  while ((await tint(page)) === "green") await new Promise((done) => setTimeout(done, 50));
  assert.equal(await page.evaluate(() => window.splatcam.player.step), 0);
  await finish(page);
});
