// Copies a project, has npm work on the copy step by step, and leaves one file behind: the lock file.
//
// node steps.mjs PROJECT LOCK BELOW NAME STEP...
//
// PROJECT is only read. The copy lies beside LOCK, in a directory that the host takes away at the end. What became of
// each step goes to the standard output as JSON; the first that fails is the last, save for the audit's, which fails
// where something is left that no update within the ranges puts right.
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, readFileSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";

const [project, lock, below, name, ...steps] = process.argv.slice(2);
const quiet = ["--no-audit", "--no-fund", "--no-update-notifier"];
const npm = {
  update: ["update", "--package-lock-only", "--no-save", ...quiet],
  fix: ["audit", "fix", "--package-lock-only", "--no-save", "--no-fund"],
  audit: ["audit", "--json", "--package-lock-only"],
  // Whatever the environment says: tests and builds need what is for development.
  install: ["ci", "--include=dev", "--include=optional", ...quiet],
  test: ["test"],
  build: ["run", "build", "--if-present"],
};

const copy = join(dirname(lock), "copy");
const left = new Set(["node_modules", ".git"]);
cpSync(project, copy, { recursive: true, verbatimSymlinks: true, filter: (from) => !left.has(basename(from)) });

const { NODE_ENV, ...env } = process.env;
env.PATH = [dirname(process.execPath), env.PATH].join(delimiter);
env.npm_config_cache = join(dirname(lock), "cache");
const cwd = join(copy, below);
const done = [];
for (const step of steps) {
  const began = Date.now();
  const ran = spawnSync("npm", npm[step], { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 64 << 20 });
  const said = ran.error ? String(ran.error) : (ran.stdout + "\n" + ran.stderr).trim();
  const audit = step === "audit" ? ran.stdout : "";
  done.push({ step, code: ran.status ?? -1, milliseconds: Date.now() - began, said: said.slice(-4000), audit });
  if (ran.status !== 0 && step !== "fix" && step !== "audit") break;
}
copyFileSync(join(cwd, name), lock);
process.stdout.write(JSON.stringify({ done, manifest: readFileSync(join(cwd, "package.json"), "utf8") }));
