/**
 * Runs the tests and the examples in the documentation, and says at the end what was not run and how many have passed.
 *
 * `deno task test` runs everything but the rehearsal of the published form, `deno task test --published` that too, and
 * `deno task test tests/core --filter clock` a part, with arguments of `deno test`.
 *
 * @module
 */
import { MEANS } from "../testing/needs.ts";
import { ROOMS, ROOT } from "./entries.ts";

/** How a run of tests ended. */
interface Tally {
  passed: number;
  failed: number;
  ignored: number;
}

/** What only the rehearsal runs. */
const PUBLISHED = "tests/published";

/**
 * Runs tests and says how it went.
 *
 * @param args What `deno task test` was given.
 * @returns How many have passed and failed.
 */
export async function test(args: readonly string[]): Promise<Tally> {
  const notes = await Deno.makeTempFile({ prefix: "datatask-services-" });
  const tally: Tally = { passed: 0, failed: 0, ignored: 0 };
  try {
    const rest = args.filter((arg) => arg !== "--published");
    const whole = rest.length === 0;
    const ignore = args.length > rest.length ? [] : [`--ignore=${PUBLISHED}`];
    const paths = whole ? ["tests", ...ignore, "--reporter=dot"] : rest;
    add(tally, await denoTest(["-A", "--parallel", ...paths], notes));
    if (whole) {
      add(tally, await denoTest(["-A", "--parallel", "--doc", "--reporter=dot", ...documented()], notes));
    }
    printNotRun(await Deno.readTextFile(notes));
  } finally {
    await Deno.remove(notes);
  }
  return tally;
}

function add(tally: Tally, other: Tally): void {
  tally.passed += other.passed;
  tally.failed += other.failed;
  tally.ignored += other.ignored;
}

/** Files and folders whose examples are run. */
function documented(): string[] {
  return ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs", "mod.ts", "cli.ts", ...ROOMS].filter(
    (path) => {
      try {
        return Deno.statSync(new URL(path, ROOT)) !== undefined;
      } catch {
        return false;
      }
    },
  );
}

async function denoTest(args: readonly string[], notes: string): Promise<Tally> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", ...args],
    cwd: ROOT,
    env: { SERVICES_NOT_RUN: notes, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text = (text + chunk).slice(-4000);
    await Deno.stdout.write(new TextEncoder().encode(shown(chunk)));
  }
  const { success } = await child.status;
  return read(text, success);
}

/** What of the output is shown: where it is no terminal, a dot per test would be a line per test. */
function shown(chunk: string): string {
  return Deno.stdout.isTerminal() ? chunk : chunk.replace(/^[.,!]\n/gm, "");
}

/**
 * Reads the closing line of `deno test`.
 *
 * @param text The end of what it has written.
 * @param success Whether it ended well.
 * @returns What the line says; a run that failed without a failed test counts as one.
 */
export function read(text: string, success: boolean): Tally {
  const line = text.match(/^(?:ok|FAILED) \| (\d+) passed.*?\| (\d+) failed.*$/gm)?.at(-1) ?? "";
  const count = (what: string): number => Number(new RegExp(`(\\d+) ${what}`).exec(line)?.[1] ?? 0);
  const failed = count("failed");
  return {
    passed: count("passed"),
    failed: success ? failed : Math.max(1, failed),
    ignored: count("ignored"),
  };
}

/** Says what was not run, and what it needs. */
function printNotRun(text: string): void {
  const counts = new Map<string, number>();
  for (const name of text.split("\n").filter(Boolean)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const rows = [...counts].sort().map(([name, files]) => {
    const row = `  ${name.padEnd(20)} ${files} test ${files === 1 ? "file" : "files"}`;
    return Object.hasOwn(MEANS, name)
      ? { means: true, row: `${row.padEnd(38)}  ${MEANS[name as keyof typeof MEANS]}` }
      : { means: false, row };
  });
  const { true: means = [], false: services = [] } = Object.groupBy(rows, ({ means }) => `${means}`);
  const print = (head: string, list: readonly { readonly row: string }[]): void => {
    if (list.length > 0) console.log(`\n${[head, ...list.map(({ row }) => row)].join("\n")}`);
  };
  print(
    'Not run, because the service is not there (start it with eval "$(.ci/services/NAME.sh)"):',
    services,
  );
  print("Not run, because this machine does not offer it:", means);
}

if (import.meta.main) {
  const { passed, failed } = await test(Deno.args);
  console.log(`\n${passed} passed, ${failed} failed`);
  Deno.exit(failed === 0 && passed > 0 ? 0 : 1);
}
