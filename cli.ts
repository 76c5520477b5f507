/**
 * The command line of datatask: `deno run -A cli.ts <command> -p pipeline.ts`.
 *
 * @module
 */
import { systemIo } from "./cli/io.ts";
import { programName } from "./cli/program.ts";
import { start } from "./cli/start.ts";

/**
 * Does what a command line says.
 *
 * @param args The words after the name of the program. Default: those of this process.
 * @returns The exit code: 0 when all is well, 1 when jobs have failed or something went wrong, 2 when the command line is wrong.
 */
export function cli(args: readonly string[] = Deno.args): Promise<number> {
  return start(args, { io: systemIo(), program: programName() });
}

if (import.meta.main) Deno.exit(await cli());
