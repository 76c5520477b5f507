/**
 * Runs all measurements that need no service, one after the other, and closes with a table of the figures that have a goal.
 *
 * `deno task bench`, or `deno task bench scheduler chain` for some. Those that need a service (`s3`, `s3_pipeline`, `mongodb`, `ssh`, `delivery`, `docker`, `kubernetes`, `pods`) are run by name.
 *
 * @module
 */
import { ROOT } from "../tools/entries.ts";
import { type Figure, FIGURES } from "./figure.ts";

const ALL = [
  "startup",
  "scheduler",
  "streams",
  "chain",
  "processes",
  "workers",
  "repositories",
  "sqlite",
  "agent",
];

const load = (): string => Deno.loadavg().map((one) => one.toFixed(1)).join(" ");
const file = await Deno.makeTempFile();
let failed = false;
console.log(
  `${navigator.hardwareConcurrency} cores, load ${load()}: figures are of use on an idle machine only`,
);
for (const name of Deno.args.length > 0 ? Deno.args : ALL) {
  console.log(`\n== ${name}`);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--v8-flags=--expose-gc", `bench/${name}.ts`],
    cwd: ROOT,
    env: { [FIGURES]: file },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  if (!success) failed = true;
}
const lines = (await Deno.readTextFile(file)).split("\n").filter(Boolean);
await Deno.remove(file);
const figures = lines.map((line): Figure => JSON.parse(line));
const width = Math.max(...figures.map(({ what }) => what.length), 0);
console.log(`\n${"".padEnd(width + 3)} ${"figure".padStart(14)}  goal`);
for (const { what, text, goal, met } of figures) {
  console.log(`${met ? "✓" : "✗"}  ${what.padEnd(width)} ${text.padStart(14)}  ${goal}`);
}
console.log(`\n${figures.filter(({ met }) => met).length} of ${figures.length} goals met, load ${load()}`);
Deno.exit(failed ? 1 : 0);
