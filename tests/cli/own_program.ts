/**
 * The command line in a process of its own, over a pipeline in a folder of its own.
 *
 * @module
 */
/** Where the project lies. */
export const ROOT = new URL("../../", import.meta.url);
/** The command line. */
export const CLI = new URL("cli.ts", ROOT).pathname;

/** How a program has ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program of Deno in a folder, as a person would. */
export function deno(cwd: string, ...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--no-config", "--quiet", ...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Waits for the end of a program. */
export async function ended(command: Deno.Command): Promise<Ended> {
  const { code, stdout, stderr } = await command.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

/** A folder with a pipeline of slow jobs: `ms` is how long each takes; `"go"`: until there is a file of that name. */
export async function withPipeline(ms: number | "go", use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  await Deno.mkdir(`${dir}/in`);
  for (const job of ["a", "b", "c"]) await Deno.writeTextFile(`${dir}/in/${job}`, job);
  await Deno.writeTextFile(
    `${dir}/pipeline.ts`,
    `import { functionTask } from "${ROOT}tasks/function.ts";
import { input, output } from "${ROOT}tasks/link.ts";
import { FileRepository } from "${ROOT}repositories/files.ts";
import { YamlMetadataRepository } from "${ROOT}repositories/yaml.ts";
import { Pipeline } from "${ROOT}pipeline/pipeline.ts";
import { main } from "${ROOT}cli/main.ts";
const made = new FileRepository("./out");
const copy = functionTask("copy", {
  done: YamlMetadataRepository.files("./done"),
  concurrency: 2,
  links: { given: input(new FileRepository("./in")), made: output(made) },
}, async ({ given, made, signal }) => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = ${
      ms === "go"
        ? `setInterval(() => { try { Deno.statSync("go"); clearInterval(timer); resolve(); } catch { /* not yet */ } }, 5)`
        : `setTimeout(resolve, ${ms})`
    };
  signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
  await promise;
  await made.write(await given.text());
});
const pipeline = new Pipeline({ tasks: [copy] });
export default pipeline;
if (import.meta.main) await main(pipeline);
`,
  );
  try {
    await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A run that goes on. */
export interface Started {
  readonly child: Deno.ChildProcess;
  /** What it has written when it is over. */
  readonly rest: Promise<string>;
  /** What it has complained of when it is over. */
  readonly err: Promise<string>;
  /** It has complained of something. */
  readonly says: Promise<void>;
  /** What it has written so far. */
  said(): string;
}

/** Starts a run, and waits until two jobs run. */
export async function started(dir: string, ...flags: readonly string[]): Promise<Started> {
  const child = deno(dir, "-A", CLI, "run", "--json", ...flags).spawn();
  const out = child.stdout.pipeThrough(new TextDecoderStream());
  const reader = out.getReader();
  let text = "";
  while ((text.match(/"type":"started"/g)?.length ?? 0) < 2) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  const rest = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    return text;
  })();
  const says = Promise.withResolvers<void>();
  const err = (async () => {
    let text = "";
    for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) {
      text += part;
      says.resolve();
    }
    says.resolve();
    return text;
  })();
  return { child, rest, err, says: says.promise, said: () => text };
}
