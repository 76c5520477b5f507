/**
 * What an executor holds from `open()` to `close()`: connections, tables of runs.
 *
 * @module
 */
import { ExecutorError } from "../core/errors.ts";
import type { CallOptions } from "./executor.ts";

/**
 * What is there while an executor is open: made once, however many open it at the same time, and for one state folder only. It is there until as many have
 * closed it as have opened it.
 */
export class Opening<T> {
  readonly #executor: string;
  #open: { readonly state: string; readonly it: Promise<T>; holders: number } | undefined;

  /**
   * Makes it, with nothing open.
   *
   * @param executor What people call the executor.
   */
  constructor(executor: string) {
    this.#executor = executor;
  }

  /** The state folder it is open with, if it is. */
  get state(): string | undefined {
    return this.#open?.state;
  }

  /**
   * Opens it; whoever asks meanwhile waits for the same. What has failed can be tried again.
   *
   * @param options The state folder.
   * @param prepare Makes what is there while it is open. The folder is absolute.
   * @throws {ExecutorError} With code `conflict`, when it is open with another state folder; what `prepare` throws.
   */
  async open(
    options: CallOptions & { readonly state: string },
    prepare: (state: string) => Promise<T>,
  ): Promise<void> {
    options.signal?.throwIfAborted();
    const state = options.state.startsWith("/") ? options.state : `${Deno.cwd()}/${options.state}`;
    if (this.#open && this.#open.state !== state) {
      throw new ExecutorError(
        "conflict",
        `Cannot open executor ${this.#executor} with its state in ${state}: it is open with ${this.#open.state}; close it first, or make another`,
        { operation: "open", subject: this.#executor },
      );
    }
    const open = this.#open ??= { state, it: prepare(state), holders: 0 };
    open.holders++;
    try {
      await open.it;
    } catch (error) {
      if (this.#open === open) this.#open = undefined;
      throw error;
    }
  }

  /**
   * What is there while it is open.
   *
   * @param action What it is wanted for: `list runs`.
   * @returns It.
   * @throws {ExecutorError} With code `cannot-start`, when the executor is not open.
   */
  get(action: string): Promise<T> {
    if (this.#open) return this.#open.it;
    throw new ExecutorError(
      "cannot-start",
      `Cannot ${action} on executor ${this.#executor}: it is not open; call open() first`,
      { operation: action.split(" ")[0]!, subject: this.#executor },
    );
  }

  /**
   * Ends it, when nobody else has it open.
   *
   * @returns What was there, to be given back; nothing, when nothing was, or others need it still.
   */
  async close(): Promise<T | undefined> {
    const open = this.#open;
    if (open && --open.holders > 0) return undefined;
    this.#open = undefined;
    return await open?.it.catch(() => undefined);
  }
}
