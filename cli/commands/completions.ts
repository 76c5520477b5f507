/** `completions`: scripts that complete in a shell. @module */
import { UsageError } from "../../core/errors.ts";
import { completionScript, SHELLS } from "../completion_scripts.ts";
import { programName } from "../program.ts";
import { didYouMean } from "../suggest.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { COMPLETIONS } from "../specs/data.ts";

/** Prints a script. */
export function run(
  context: Context,
  flags: FlagsOf<typeof COMPLETIONS.flags>,
  [shell]: readonly string[],
): Promise<number> {
  const known = SHELLS.find((name) => name === shell);
  if (!known) {
    throw new UsageError(
      `There are no completions for "${shell}"${
        didYouMean(shell!, SHELLS) || `; choose ${SHELLS.slice(0, -1).join(", ")} or ${SHELLS.at(-1)}`
      }`,
    );
  }
  const { program } = context;
  const isFile = program === programName();
  // A pipeline that is a program goes by its own name, so that several do not get in each other's way.
  const file = isFile ? /([\w-]+)\.[jt]sx?$/.exec(program)?.[1] : undefined;
  const command = flags.command ?? (file === undefined || file === "cli" ? "datatask" : file);
  if (!/^[\w.-]+$/.test(command)) {
    throw new UsageError(`Cannot complete ${JSON.stringify(command)}; give --command the name of a command`);
  }
  context.io.out(completionScript(known, command, isFile ? programName("anywhere") : program));
  return Promise.resolve(0);
}
