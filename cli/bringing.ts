/**
 * Where commands that a pipeline brings along are looked for: in what `main` was given, or in the module of the pipeline.
 *
 * @module
 */
import { isDatataskError, type UsageError } from "../core/errors.ts";
import type { Command } from "./main.ts";
import type { StartOptions } from "./start.ts";
import { nearest } from "./suggest.ts";
import { COMMANDS } from "./table.ts";

/** What help can say. */
export interface Listed {
  /** The commands that are known. */
  readonly commands: readonly Command[];
  /** Why there are not more, where somebody has named the module. */
  readonly error?: unknown;
  /** What the module exports as commands without being any, where somebody has named it. */
  readonly unrelated?: string | undefined;
}

/** The commands that a pipeline brings along. The module is loaded when something turns on it, and not before. */
export class Bringing {
  readonly #named: string | undefined;
  #known: readonly Command[] | undefined;
  #unrelated: string | undefined;

  private constructor(known: readonly Command[] | undefined, named: string | undefined) {
    this.#known = known;
    this.#named = named;
  }

  /**
   * @param options What the program has brought, where it is a pipeline of its own.
   * @param words The words beside the command.
   * @returns The commands.
   * @throws {DefinitionError} When the program brings what is none.
   */
  static async of(options: StartOptions, words: readonly string[]): Promise<Bringing> {
    if (!options.pipeline) return new Bringing(undefined, namedIn(words));
    if (options.commands === undefined) return new Bringing([], undefined);
    const { checkedCommands } = await import("./own_commands.ts");
    return new Bringing(checkedCommands(options.commands), undefined);
  }

  /** Those that are known by now. */
  get known(): readonly Command[] {
    return this.#known ?? [];
  }

  /** What the module exports as commands without being any, as a clause; nothing as long as that is not known. */
  get unrelated(): string | undefined {
    return this.#unrelated;
  }

  /**
   * Finds a command.
   *
   * @param name Its name, which is none of a command that comes with the package.
   * @returns The command, if there is one.
   * @throws {UsageError} When the module of the pipeline cannot be loaded, and nothing else can have been meant.
   */
  async find(name: string): Promise<Command | undefined> {
    try {
      await this.all();
    } catch (error) {
      // Who has mistyped a word is not to be told of a module that they did not speak of.
      if (nearest(name, COMMANDS.keys()).length === 0) throw error;
    }
    return this.known.find((command) => command.name === name);
  }

  /**
   * Loads all.
   *
   * @param named The module of the pipeline, where that was said elsewhere.
   * @returns The commands.
   * @throws {UsageError} When the module cannot be loaded.
   */
  async all(named?: string): Promise<readonly Command[]> {
    return this.#known ??= await this.#load(named);
  }

  /**
   * What help lists. A module that nobody has named is loaded only where reading needs no question, and its faults are not told here.
   *
   * @returns The commands.
   */
  async forHelp(): Promise<Listed> {
    if (this.#known) return { commands: this.#known };
    if (this.#named === undefined && !mayRead()) return { commands: [] };
    try {
      const commands = await this.all();
      return { commands, unrelated: this.#named === undefined ? undefined : this.#unrelated };
    } catch (error) {
      return this.#named === undefined ? { commands: [] } : { commands: [], error };
    }
  }

  async #load(named = this.#named): Promise<readonly Command[]> {
    const { findPipeline, importModule, nameOf } = await import("./load.ts");
    const found = await findPipeline(named).catch((error: UsageError) => {
      if (named !== undefined || !isDatataskError(error, "usage")) throw error;
    });
    if (!found) return [];
    const { commands } = await importModule(found);
    const { checkedCommands, holdsCommands } = await import("./own_commands.ts");
    // The word is not ours alone: a module may export anything else under it.
    if (commands === undefined || holdsCommands(commands)) return checkedCommands(commands);
    this.#unrelated = `what ${nameOf(found)} exports as "commands" is no list of them`;
    return [];
  }
}

function mayRead(): boolean {
  return Deno.permissions.querySync({ name: "read" }).state === "granted";
}

/** The module that `-p` names. */
function namedIn(words: readonly string[]): string | undefined {
  for (const [at, word] of words.entries()) {
    if (word === "--") return undefined;
    if (word === "-p" || word === "--pipeline") return words[at + 1];
    const written = /^(?:-p=?|--pipeline=)(.*)$/s.exec(word);
    if (written) return written[1];
  }
  return undefined;
}
