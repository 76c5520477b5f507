/**
 * Runs what a page of the documentation shows.
 *
 * @module
 */
import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);

/**
 * Runs the first script of a page by one of its command lines.
 *
 * @param page The page: `mongodb.md`.
 * @param line Which of its lines that begin with `deno run`.
 * @param names What stands for other things in the script and the line.
 * @param expected What it must say.
 * @param env What its environment holds. Nothing else.
 */
export async function runPage(
  page: string,
  line: number,
  names: Readonly<Record<string, string>>,
  expected: RegExp,
  env: Record<string, string> = {},
): Promise<void> {
  const text = await Deno.readTextFile(new URL(`docs/${page}`, ROOT));
  const script = /```ts(?: ignore)?\n([\s\S]*?)```/.exec(text)![1]!;
  const commands = [...text.matchAll(/^deno run (.*) script\.ts$/gm)].map(([, flags]) => flags!);
  assert(commands[line], `${page} has no line ${line}`);
  const filled = (part: string): string =>
    Object.entries(names).reduce((done, [name, value]) => done.replaceAll(name, value), part);
  const { exports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as {
    exports: Record<string, string>;
  };
  const resolved = script.replace(
    /"@datatask\/datatask(\/[a-z0-9-]+)?"/g,
    (_, name = "") => JSON.stringify(new URL(exports[`.${name}`]!, ROOT).href),
  );
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/script.ts`, filled(resolved));
    const flags = filled(commands[line]!).replaceAll('"', "").split(" ");
    const args = [
      "run",
      "--no-prompt",
      "--no-lock",
      "--no-check",
      "--no-config",
      ...flags,
      `${dir}/script.ts`,
    ];
    const cache = Object.fromEntries(["DENO_DIR", "HOME", "PATH", "NPM_CONFIG_REGISTRY"].flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    }));
    const denoDir = cache.DENO_DIR ?? `${cache.HOME}/.cache/deno`;
    const command = new Deno.Command(Deno.execPath(), {
      args,
      cwd: dir,
      env: { ...cache, DENO_DIR: denoDir, NO_COLOR: "1", ...env },
      clearEnv: true,
    });
    const { stdout, stderr } = await command.output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.match(said.replaceAll("\n", " "), expected);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
