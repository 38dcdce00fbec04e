// What the buttons and the keys do, by name. Effects on the page go through what is handed in.
import { fileName } from "./save/file_name.js";
import { makeDeckCommands } from "./timeline/commands.js";

const MOTIONS = ["still", "orbit", "parallax"];
const SCALE_STEP = 0.1;

/**
 * app: {stage, screen, sources or undefined, choices, notices, deck: see timeline/deck.js, record(): starts or stops};
 * page: {changed(): the screen froze or shows something else, openFiles(), openFolder(), togglePanel(), toggleHelp(),
 * close(), toggleFullscreen(), save(name, blobOrBytes)}.
 */
export function makeCommands({ stage, screen, sources, choices, notices, deck, record }, page) {
  const setFrozen = (isFrozen) => {
    screen.frozen = isFrozen;
    page.changed();
  };
  const step = (name, by) => choices.set(name, Math.round((choices.get(name) + by) * 10) / 10);
  const toggle = (name) => choices.set(name, !choices.get(name));
  const savedAs = (extension, encode) => saveFrame(screen.shownResult, extension, encode, notices, page);
  return {
    ...makeDeckCommands(deck),
    record: () => record(),
    freeze: () => (deck.isOpen ? deck.togglePlaying() : setFrozen(!screen.frozen)),
    reset: () => stage.resetView(screen.shownPose),
    frame: () => {
      const bounds = screen.shownBounds;
      if (bounds !== undefined) stage.frameScene(bounds);
    },
    motion: () => choices.set("motion", MOTIONS[(MOTIONS.indexOf(choices.get("motion")) + 1) % MOTIONS.length]),
    points: () => choices.set("output", choices.get("output") === "points" ? "auto" : "points"),
    smaller: () => step("scale", -SCALE_STEP),
    larger: () => step("scale", SCALE_STEP),
    axes: () => toggle("axes"),
    mirror: () => toggle("mirror"),
    hud: () => toggle("hud"),
    screenshot: () => saveScreenshot(stage, notices, page),
    savePly: () => savedAs("ply", async (result) => (await import("./save/ply.js")).plyOf(result)),
    saveSpz: () => savedAs("spz", async (result) => (await import("./save/spz.js")).spzOf(result)),
    openFiles: () => page.openFiles(),
    openFolder: () => page.openFolder(),
    stopSource: () => sources?.stop(),
    backToLive: () => {
      screen.backToLive();
      page.changed();
    },
    panel: () => page.togglePanel(),
    help: () => page.toggleHelp(),
    fullscreen: () => page.toggleFullscreen(),
    close: () => page.close(),
  };
}

async function saveScreenshot(stage, notices, page) {
  try {
    page.save("splatcam.png", await stage.screenshot());
  } catch (error) {
    notices.mention("save", `The screenshot could not be saved: ${error.message}`);
  }
}

async function saveFrame(result, extension, encode, notices, page) {
  if (result === null) {
    notices.mention("save", "There is no frame of a camera on the screen that could be saved.");
    return;
  }
  try {
    page.save(fileName(result, extension), await encode(result));
  } catch (error) {
    notices.mention("save", `The frame could not be saved as .${extension}: ${error.message}`);
  }
}
