/**
 * Runs an example for real: its pipeline, by the command line, in a process of its own, with its output in a folder that goes away.
 *
 * @module
 */
import { ROOT } from "../../tools/entries.ts";

/** How a command ended. */
export interface Ended {
  /** Its exit code. */
  readonly code: number;
  /** What it has written. */
  readonly stdout: string;
  /** What it has complained of. */
  readonly stderr: string;
}

/** An example whose output goes away with it. */
export interface Example extends AsyncDisposable {
  /** Where its output is. */
  readonly out: string;
  /** Runs a command of the command line. */
  command(...words: readonly string[]): Promise<Ended>;
  /** A text of its output. */
  read(path: string): Promise<string>;
}

/**
 * Makes an example ready.
 *
 * @param name Its folder in `examples/`; it writes to the folder that `NAME_OUT` names.
 * @returns The example.
 */
export async function example(name: string): Promise<Example> {
  const out = await Deno.makeTempDir({ prefix: `datatask-example-${name}-` });
  return {
    out,
    async command(...words) {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "cli.ts", ...words, "-p", `examples/${name}/pipeline.ts`],
        cwd: ROOT,
        env: { [`${name.toUpperCase()}_OUT`]: out, NO_COLOR: "1" },
        stdin: "null",
      }).output();
      const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
      return { code, stdout: text(stdout), stderr: text(stderr) };
    },
    read: (path) => Deno.readTextFile(`${out}/${path}`),
    [Symbol.asyncDispose]: () => Deno.remove(out, { recursive: true }),
  };
}
