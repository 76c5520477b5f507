/**
 * What starting costs, as a ratio to an empty program measured in the same run: each entry point imported, and `cli.ts --help`.
 *
 *     deno run -A bench/startup.ts            measures
 *     deno run -A bench/startup.ts --check    fails where one is beyond its budget in tests/tree/budgets.ts
 *
 * @module
 */
import { START_BUDGETS } from "../tests/tree/budgets.ts";
import { entries, ROOT } from "../tools/entries.ts";
import { figure, median } from "./figure.ts";

const check = Deno.args.includes("--check");
const ROUNDS = check ? 7 : 15;

/**
 * How long a program takes, in milliseconds.
 *
 * @param args What `deno run` is given.
 * @param cache The folder of Deno's caches. Default: that of this user.
 */
async function time(args: readonly string[], cache?: string): Promise<number> {
  const began = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", ...args],
    cwd: ROOT,
    ...(cache === undefined ? {} : { env: { DENO_DIR: cache } }),
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`deno run ${args.join(" ")} failed`);
  return performance.now() - began;
}

/**
 * What `import "mod.ts"` adds to an empty program, in milliseconds, in a project as people have one: with settings and a lock file of its own. Its
 * caches are its own, too: those of somebody who develops hold thousands of modules, which take time by themselves.
 */
async function importing(folder: string): Promise<number> {
  const project = `${folder}/project`;
  await Deno.mkdir(project);
  await Deno.writeTextFile(
    `${project}/deno.json`,
    JSON.stringify({ imports: { datatask: `${ROOT}mod.ts` } }),
  );
  await Deno.writeTextFile(`${project}/empty.ts`, "export {};\n");
  await Deno.writeTextFile(`${project}/import.ts`, 'import "datatask";\n');
  const more: number[] = [];
  for (let round = -2; round < 25; round++) {
    const base = await time([`${project}/empty.ts`], `${folder}/cache`);
    const ms = await time([`${project}/import.ts`], `${folder}/cache`);
    if (round >= 0) more.push(ms - base);
  }
  return median(more);
}

const folder = await Deno.makeTempDir();
const beyond: string[] = [];
try {
  const programs = new Map<string, readonly string[]>();
  for (const [name, path] of Object.entries(entries())) {
    const program = `${folder}/${name.replaceAll(/\W/g, "_")}.ts`;
    await Deno.writeTextFile(program, `import "${ROOT}${path.replace("./", "")}";\n`);
    programs.set(name, ["--config", "deno.json", program]);
  }
  programs.set("./cli --help", ["cli.ts", "--help"]);
  const empty = `${folder}/empty.ts`;
  await Deno.writeTextFile(empty, "export {};\n");
  const ratios = new Map<string, number[]>([...programs.keys()].map((name) => [name, []]));
  const times = new Map<string, number[]>([...programs.keys()].map((name) => [name, []]));
  // Each beside an empty program of its own, so that both meet the same machine; the first round fills caches.
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, args] of programs) {
      const base = await time([empty]);
      const ms = await time(args);
      if (round < 0) continue;
      ratios.get(name)!.push(ms / base);
      times.get(name)!.push(ms);
    }
  }
  for (const name of programs.keys()) {
    const ratio = median(ratios.get(name)!);
    const budget = START_BUDGETS[name];
    const ms = median(times.get(name)!).toFixed(0).padStart(5);
    console.log(
      `${name.padEnd(18)} ${ms} ms  ${ratio.toFixed(2)} x of an empty program, budget ${budget ?? "none"}`,
    );
    if (budget === undefined || ratio > budget) beyond.push(name);
  }
  if (!check) {
    figure("import mod.ts, more than an empty program", await importing(folder), "ms", { atMost: 30 });
  }
  figure("cli.ts --help", median(times.get("./cli --help")!), "ms", { atMost: 120 });
} finally {
  await Deno.remove(folder, { recursive: true });
}
if (check && beyond.length > 0) {
  console.error(`Beyond its budget in tests/tree/budgets.ts, or without one: ${beyond.join(", ")}`);
  Deno.exit(1);
}
