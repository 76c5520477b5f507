/**
 * Everything that must hold before a change is finished: format, lint, types, documentation, tests, and the published form.
 *
 * `deno task ok` does all of it, `deno run -A tools/ok.ts lint types` some.
 *
 * @module
 */
import { entries, ROOT } from "./entries.ts";
import { test } from "./test.ts";

async function deno(args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  return success;
}

/** Runs Deno and shows its errors only: not its warnings, and not what is wrong within a package of npm. */
async function faultsOf(args: readonly string[]): Promise<boolean> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  const parts = new TextDecoder().decode(stderr).split(/^(?=error|warning)/m);
  const faults = parts.filter((part) =>
    part.startsWith("error[") && !/-->.*[\\/]npm[\\/]/.test(part) ||
    part.startsWith("error:") && !part.startsWith("error: Found")
  );
  for (const fault of faults) console.error(fault.trimEnd());
  // A linter that fails over nothing but packages of npm has found nothing of ours; anything else that fails without a word has failed.
  return faults.length === 0 && (success || parts.some((part) => part.startsWith("error[")));
}

/** The steps, in the order in which they are quick to fail. */
const STEPS: Readonly<Record<string, () => Promise<boolean>>> = {
  "format": () => deno(["fmt", "--check", "--quiet"]),
  "lint": () => deno(["lint", "--quiet"]),
  "types": () => deno(["check", "--quiet", "."]),
  "documentation": () => faultsOf(["doc", "--lint", ...Object.values(entries())]),
  "start-up": () => deno(["run", "-A", "bench/startup.ts", "--check"]),
  "package": () => faultsOf(["publish", "--dry-run", "--allow-dirty", "--no-check"]),
};

const results: [string, boolean, number][] = [];
const only = Deno.args;
for (const [name, step] of Object.entries(STEPS)) {
  if (only.length > 0 && !only.includes(name)) continue;
  console.log(`\n== ${name}`);
  const began = performance.now();
  results.push([name, await step(), performance.now() - began]);
}
const tally = { passed: 0, failed: 0 };
if (only.length === 0 || only.includes("tests")) {
  console.log("\n== tests");
  const began = performance.now();
  Object.assign(tally, await test(["--published"]));
  results.push(["tests", tally.failed === 0, performance.now() - began]);
}

console.log("");
for (const [name, good, ms] of results) {
  console.log(`${good ? "ok    " : "FAILED"} ${name.padEnd(14)} ${(ms / 1000).toFixed(1)} s`);
}
const steps = results.filter(([name]) => name !== "tests");
const broken = steps.filter(([, good]) => !good).length;
const passed = tally.passed + steps.length - broken;
const failed = tally.failed + broken;
console.log(`\n${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
