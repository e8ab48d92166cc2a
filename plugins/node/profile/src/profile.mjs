// Runs a script under node's own CPU profiler for a time at most, and leaves its profile behind.
//
// node profile.mjs SCRIPT PROFILE SECONDS MICROSECONDS ARGUMENT...
//
// node writes a profile when its process ends by itself, and a server never does: a thread beside the script waits for
// the time to be up, and then has the script's thread end, even in the middle of a loop. What became of the script goes
// to the standard output as JSON.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [script, profile, seconds, microseconds, ...rest] = process.argv.slice(2);
const directory = dirname(profile);
const [clock, mark] = [join(directory, "clock.cjs"), join(directory, "time-is-up")];
writeFileSync(clock, `
  const { Worker, isMainThread } = require("node:worker_threads");
  // Not in what the script itself starts.
  const own = process.env.HOSTLER_PROFILED === String(process.ppid);
  delete process.env.HOSTLER_PROFILED;
  if (isMainThread && own) new Worker(\`
    const { Session } = require("node:inspector");
    const { writeFileSync } = require("node:fs");
    setTimeout(() => {
      const session = new Session();
      session.connectToMainThread();
      writeFileSync(${JSON.stringify(mark)}, "");
      session.post("Runtime.evaluate", { expression: "process.reallyExit(0)" });
      setTimeout(() => {}, 60_000);
    }, ${Number(seconds) * 1000});
  \`, { eval: true, execArgv: [], env: {}, stdout: true, stderr: true }).unref();
`);
const options = ["--cpu-prof", `--cpu-prof-dir=${directory}`, `--cpu-prof-interval=${microseconds}`, "--require", clock];
const began = Date.now();
const child = spawn(process.execPath, [...options, script, ...rest], {
  env: { ...process.env, HOSTLER_PROFILED: String(process.pid) },
  stdio: ["ignore", "ignore", "pipe"],
});
let said = "";
child.stderr.setEncoding("utf8").on("data", (text) => { said = (said + text).slice(-4000); });
// A thread that waits in a call of the system's answers nobody.
const late = setTimeout(() => child.kill("SIGKILL"), (Number(seconds) + 10) * 1000);
// Not when its outputs close: what it started may hold them open.
child.on("exit", (code, signal) => setTimeout(() => {
  clearTimeout(late);
  const own = readdirSync(directory).filter((name) => name.endsWith(".cpuprofile") && name.includes(`.${child.pid}.0.`));
  if (own.length > 0) renameSync(join(directory, own[0]), profile);
  const answer = { code, signal, timeIsUp: existsSync(mark), milliseconds: Date.now() - began, said, written: own.length > 0 };
  process.stdout.write(JSON.stringify(answer), () => process.exit(own.length > 0 ? 0 : 1));
}, 100));
