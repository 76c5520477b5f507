/**
 * What starting costs, as a ratio to an empty program measured in the same run: `mod.ts` imported, and `cli.ts --help`.
 *
 *     deno run -A bench/startup.ts
 *
 * @module
 */
import { ROOT } from "../tools/entries.ts";

const ROUNDS = 15;

async function time(args: readonly string[]): Promise<number> {
  const began = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", ...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`deno run ${args.join(" ")} failed`);
  return performance.now() - began;
}

const folder = await Deno.makeTempDir();
const empty = `${folder}/empty.ts`;
const library = `${folder}/library.ts`;
await Deno.writeTextFile(empty, "export {};\n");
await Deno.writeTextFile(library, `import "${ROOT}mod.ts";\n`);
const programs: Readonly<Record<string, readonly string[]>> = {
  "an empty program": [empty],
  "import mod.ts": ["--config", "deno.json", library],
  "cli.ts --help": ["cli.ts", "--help"],
};
try {
  const times = new Map<string, number[]>(Object.keys(programs).map((name) => [name, []]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, args] of Object.entries(programs)) {
      const ms = await time(args);
      if (round >= 0) times.get(name)!.push(ms);
    }
  }
  const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1]!;
  const base = median(times.get("an empty program")!);
  for (const [name, all] of times) {
    const ms = median(all);
    console.log(`${name.padEnd(18)} ${ms.toFixed(1).padStart(6)} ms  ${(ms / base).toFixed(2)} x`);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
