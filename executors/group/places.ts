/**
 * Which member of a group each run went to: kept in files, so that the next coordinator knows it, also of members that are away.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import { classifySystemError, ExecutorError } from "../../core/errors.ts";
import type { Quota } from "../../core/quota.ts";

/** Where a run went, and what is said of it while its executor cannot be asked. */
export interface Placed {
  /** Which run. */
  readonly attempt: Attempt;
  /** The name of the executor. */
  readonly executor: string;
  /** What it may use. */
  readonly quota: Quota;
  /** When it was placed, in milliseconds since 1970. */
  readonly since: number;
  /** The notes it was started with. */
  readonly notes: Readonly<Record<string, string>>;
}

/** The places of the runs of one group. */
export class Places {
  readonly #group: string;
  readonly #folder: string;
  readonly #placed = new Map<string, Placed>();

  /**
   * @param group What people call the group.
   * @param folder Where they are kept.
   */
  constructor(group: string, folder: string) {
    this.#group = group;
    this.#folder = folder;
  }

  /** All that is known. */
  get all(): Iterable<Placed> {
    return this.#placed.values();
  }

  /** Reads what earlier coordinators, and others that run now, have kept. What cannot be read is no place. */
  async load(): Promise<void> {
    for (const name of await namesIn(this.#folder)) {
      if (!name.endsWith(".json")) continue;
      const placed = await this.#read(`${this.#folder}/${name}`);
      if (placed) this.#placed.set(formatAttempt(placed.attempt), placed);
    }
  }

  /** Where a run went. One that another process has placed since is found, too. */
  async get(attempt: Attempt): Promise<Placed | undefined> {
    const name = formatAttempt(attempt);
    const known = this.#placed.get(name) ?? await this.#read(this.#path(attempt));
    if (known) this.#placed.set(name, known);
    return known;
  }

  /** Keeps where a run goes. */
  async set(placed: Placed): Promise<void> {
    const path = this.#path(placed.attempt);
    const temp = `${path}.${crypto.randomUUID()}`;
    try {
      await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await Deno.writeTextFile(temp, JSON.stringify(placed), { mode: 0o600 });
      await Deno.rename(temp, path);
    } catch (error) {
      await Deno.remove(temp).catch(() => {});
      const { attempt } = placed;
      throw new ExecutorError(
        classifySystemError(error) ?? "io",
        `Cannot start ${
          formatAttempt(attempt)
        } on ${this.#group}: cannot note in ${this.#folder} where it goes: ${(error as Error).message}`,
        { operation: "start", subject: attempt.task, key: attempt.job, cause: error },
      );
    }
    this.#placed.set(formatAttempt(placed.attempt), placed);
  }

  /** Forgets where a run went. */
  async delete(attempt: Attempt): Promise<void> {
    this.#placed.delete(formatAttempt(attempt));
    await Deno.remove(this.#path(attempt)).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  #path({ task, job, replica, attempt }: Attempt): string {
    // Neither a task nor a job holds a comma.
    return `${this.#folder}/${task},${job},${replica},${attempt}.json`;
  }

  async #read(path: string): Promise<Placed | undefined> {
    try {
      return JSON.parse(await Deno.readTextFile(path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
