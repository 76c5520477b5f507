/**
 * Commands that a pipeline brings along: what must be right about them, and how they are done.
 *
 * @module
 */
import { causes, DefinitionError, describeError } from "../core/errors.ts";
import { type Command, isCommand } from "./main.ts";
import { onInterrupt } from "./interrupt.ts";
import { COMMON_FLAGS, type Context, dashed, type FlagSpec, type FlagSpecs } from "./spec.ts";
import { COMMANDS } from "./table.ts";

/** The words that are commands already. */
const TAKEN: ReadonlySet<string> = new Set([...COMMANDS.keys(), "help"]);

/**
 * Checks commands that somebody has brought.
 *
 * @param brought What is said to be a list of them; nothing is none.
 * @returns The commands.
 * @throws {DefinitionError} With all that is wrong.
 */
export function checkedCommands(brought: unknown): readonly Command[] {
  if (brought === undefined) return [];
  if (!Array.isArray(brought)) {
    throw new DefinitionError("Cannot use the commands of the pipeline: they are no list; write [...]");
  }
  const faults: string[] = [];
  const names = new Set<string>();
  for (const [at, given] of brought.entries()) {
    if (!isCommand(given)) {
      faults.push(`Number ${at + 1} of the commands is none; make it by command("name", { ... }, body)`);
      continue;
    }
    if (TAKEN.has(given.name)) {
      faults.push(`Command "${given.name}" is there already; call yours something else`);
    }
    if (names.has(given.name)) faults.push(`Command "${given.name}" is there twice; call one something else`);
    names.add(given.name);
    faults.push(...commandFaults(given));
  }
  if (faults.length > 0) throw new DefinitionError(faults);
  return brought;
}

/**
 * Tells whether a value holds commands, right or wrong ones.
 *
 * @param value Anything.
 * @returns Whether it does. An empty list does.
 */
export function holdsCommands(value: unknown): boolean {
  if (isCommand(value)) return true;
  return Array.isArray(value) && (value.length === 0 || value.some(isCommand));
}

function commandFaults({ name, args, flags }: Command): string[] {
  const faults: string[] = [];
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    faults.push(
      `Command ${JSON.stringify(name)} has no name that can be typed; use small letters, digits and dashes`,
    );
  }
  const optional = args.findIndex((argument) => argument.optional);
  const late = args.findIndex((argument, at) => !argument.optional && optional >= 0 && at > optional);
  if (late >= 0) {
    faults.push(
      `Command "${name}" needs ${args[late]!.name} after ${
        args[optional]!.name
      }, which may be left out; put it before`,
    );
  }
  const many = args.findIndex((argument) => argument.many);
  if (many >= 0 && many < args.length - 1) {
    faults.push(
      `Command "${name}" has ${args[many + 1]!.name} after ${
        args[many]!.name
      }, which takes all; put it before`,
    );
  }
  const common: FlagSpecs = COMMON_FLAGS;
  const letters = new Map(
    Object.entries(common).flatMap(([flag, { short }]) => short ? [[short, flag] as const] : []),
  );
  for (const [flag, spec] of Object.entries(flags)) {
    faults.push(...flagFaults(name, flag, spec, letters));
    if (spec.short) letters.set(spec.short, flag);
  }
  return faults;
}

function flagFaults(
  name: string,
  flag: string,
  { short, kind, values }: FlagSpec,
  letters: ReadonlyMap<string, string>,
): string[] {
  const faults: string[] = [];
  if (Object.hasOwn(COMMON_FLAGS, flag)) {
    faults.push(`Command "${name}" has a flag ${dashed(flag)}, which all commands have; call it otherwise`);
  }
  if (!/^[a-z][a-zA-Z0-9]+$/.test(flag) || flag in Object.prototype) {
    faults.push(
      `Command "${name}" has a flag ${
        JSON.stringify(flag)
      }; write its name in camel case, of two letters or more, as notTask`,
    );
  }
  if (short !== undefined && !/^[a-zA-Z]$/.test(short)) {
    faults.push(
      `Flag ${dashed(flag)} of command "${name}" is short for ${JSON.stringify(short)}; write a letter`,
    );
  }
  const other = short === undefined ? undefined : letters.get(short);
  if (other !== undefined) {
    faults.push(
      `Flags ${dashed(other)} and ${
        dashed(flag)
      } of command "${name}" are both -${short}; give one another letter`,
    );
  }
  if (kind === "choice" && !(values?.length > 0)) {
    faults.push(`Flag ${dashed(flag)} of command "${name}" has nothing to choose from; give it values`);
  }
  return faults;
}

/**
 * Does a command.
 *
 * @param command Which.
 * @param context How this program was called.
 * @param flags The values of its flags.
 * @param args The values of its arguments.
 * @returns The exit code.
 */
export async function runOwn(
  command: Command,
  context: Context,
  flags: Readonly<Record<string, unknown>>,
  args: readonly string[],
): Promise<number> {
  const { io } = context;
  const pipeline = command.look ? await context.look() : await context.open();
  const controller = new AbortController();
  using interrupts = onInterrupt((code, times) => {
    if (times > 1) Deno.exit(code);
    io.err(`Stopping ${command.name}. Ctrl-C again to leave at once.\n`);
    controller.abort(new DOMException("Interrupted", "AbortError"));
  });
  const call = {
    pipeline,
    flags: Object.fromEntries(Object.keys(command.flags).map((name) => [name, flags[name]])),
    args: command.args.at(-1)?.many ? args : command.args.map((_, at) => args[at]),
    signal: controller.signal,
    print: (value: unknown) =>
      io.out(`${typeof value === "string" ? value : JSON.stringify(value, undefined, 2)}\n`),
  };
  try {
    const code = await command.run(call as never) ?? 0;
    return interrupts.code ?? exitCode(command, code);
  } catch (error) {
    if (interrupts.code === undefined) throw error;
    // What follows from being stopped need not be told; what else went wrong then must.
    if (!causes(error).some((cause) => (cause as Error | null)?.name === "AbortError")) {
      io.err(`datatask: ${describeError(error)}\n`);
    }
    return interrupts.code;
  }
}

function exitCode(command: Command, code: unknown): number {
  if (Number.isInteger(code) && code as number >= 0 && code as number <= 255) return code as number;
  throw new DefinitionError(
    `Command "${command.name}" gave ${
      Deno.inspect(code, { depth: 0 })
    } for an exit code; return a whole number from 0 to 255, or nothing`,
  );
}
