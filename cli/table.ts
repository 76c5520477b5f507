/**
 * All commands: what each is, and where it is done. The second is loaded when it is called.
 *
 * @module
 */
import * as data from "./specs/data.ts";
import * as look from "./specs/look.ts";
import * as work from "./specs/work.ts";
import type { CommandModule, CommandSpec } from "./spec.ts";

/** Commands that belong together, under the heading that help gives them. */
export interface CommandGroup {
  /** The heading. */
  readonly title: string;
  /** The commands, in the order of help. */
  readonly commands: readonly CommandSpec[];
}

/** All commands, as help groups them. */
export const GROUPS: readonly CommandGroup[] = [
  { title: "Get work done", commands: [work.RUN, work.PLAN, work.LAUNCH, work.RETRY, work.CANCEL] },
  { title: "See how it stands", commands: [look.STATUS, look.WHY, look.TRACE, look.LOGS, look.GRAPH] },
  { title: "Look at data and change it", commands: [look.LS, look.CAT, data.INJECT, data.RM] },
  { title: "Keep data safe", commands: [data.BACKUP, data.RESTORE, data.COPY] },
  { title: "Tools", commands: [data.DOCTOR, data.SHELL, data.COMPLETIONS, data.COMPLETE] },
];

/** All commands by name. */
export const COMMANDS: ReadonlyMap<string, CommandSpec> = new Map(
  GROUPS.flatMap((group) => group.commands.map((spec) => [spec.name, spec])),
);

/**
 * Loads a command. The address is computed, so that nothing of it is looked at before it is called.
 *
 * @param name The name of a command of {@linkcode COMMANDS}.
 * @returns Its module.
 */
export function loadCommand(name: string): Promise<CommandModule> {
  return import(new URL(`./commands/${name}.ts`, import.meta.url).href);
}
