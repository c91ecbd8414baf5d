// Lets `npm start` and `npm test` work right after `git clone`: npm runs this before either, and it
// installs what package-lock.json names unless that is what node_modules holds already. It runs before
// any package is there, so it needs none, and any Node that package.json allows will do.
import { execSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);
const stampFile = new URL("node_modules/.installed-lock", root);
// By content, since git gives every file of a new clone the time of the clone.
const lock = createHash("sha256")
  .update(readFileSync(new URL("package-lock.json", root)))
  .digest("hex");

if (process.argv.includes("--done")) {
  // npm has just finished an install, this script's or one typed by hand.
  writeFileSync(stampFile, lock);
} else if (readStamp() !== lock) {
  install();
}

function readStamp() {
  try {
    return readFileSync(stampFile, "utf8");
  } catch {
    return "nothing is installed";
  }
}

function install() {
  console.log("Installing what package-lock.json names (npm ci) ...");
  try {
    // Some environments leave out development dependencies, which the tools and Node itself are. The
    // warnings are about the Node that runs npm; what gets installed brings its own.
    execSync("npm ci --include=dev --loglevel=error", {
      cwd: fileURLToPath(root),
      stdio: "inherit",
    });
  } catch {
    console.error("npm ci failed, so there is nothing to run; see above.");
    process.exit(1);
  }
}
