/**
 * The command line of a pipeline that is a program of its own.
 *
 * @module
 */
import type { Pipeline } from "../pipeline/pipeline.ts";

/**
 * Does what the command line says with this pipeline, and sets the exit code of the process. Nothing of the command line is loaded before
 * this is called.
 *
 * ```ts ignore
 * // pipeline.ts: run it with  deno run -A pipeline.ts run
 * import { main, Pipeline } from "@datatask/datatask";
 *
 * const pipeline = new Pipeline({ tasks: [] });
 * export default pipeline;
 * if (import.meta.main) await main(pipeline);
 * ```
 *
 * @param pipeline The pipeline.
 * @param args The words of the command line. Default: those of this process.
 * @returns The exit code: 0 when all is well, 1 when jobs have failed or something went wrong, 2 when the command line is wrong.
 */
export async function main(pipeline: Pipeline, args: readonly string[] = Deno.args): Promise<number> {
  const code = await run(pipeline, args);
  if (code !== 0) Deno.exitCode = code;
  return code;
}

async function run(pipeline: Pipeline, args: readonly string[]): Promise<number> {
  const load = <T>(path: string): Promise<T> => import(new URL(path, import.meta.url).href);
  try {
    const { start } = await load<typeof import("./start.ts")>("./start.ts");
    const { systemIo } = await load<typeof import("./io.ts")>("./io.ts");
    const { programName } = await load<typeof import("./program.ts")>("./program.ts");
    return await start(args, { io: systemIo(), program: programName(), pipeline });
  } catch (error) {
    // What would say so may not be read either. `start` itself throws nothing.
    const needs = /Requires (.+?), run again with the (--allow-[a-z-]+) flag/.exec(String(error));
    if (!needs) throw error;
    const [, what, flag] = needs;
    console.error(
      `datatask: Not allowed: this needs ${what}; run again with ${flag} (or -A, for all permissions)`,
    );
    return 2;
  }
}
