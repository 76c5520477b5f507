/**
 * Two stores of one kind as one, each value in one of them.
 *
 * @module
 */
import { isDatataskError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { KeyDriver, OperationOptions, WriteOptions } from "../driver.ts";
import { KeyTurns } from "../key_turns.ts";
import { memoised } from "../memory_store.ts";
import { firstWith } from "./or.ts";
import type { BeforeEnd, TakenAhead } from "./taken_ahead.ts";
import {
  type AnyRepository,
  identitiesOf,
  keySet,
  namesOf,
  placed,
  refusal,
  repositoryOf,
  view,
} from "./view.ts";
import { watchParts } from "./watch_parts.ts";

/** Two stores of one kind: what all kinds have in common. */
export class Pair<R extends AnyRepository> {
  /** Whom to ask. The first again at the end: a value on its way from the second to the first may be missed in both. */
  readonly inOrder: readonly R[];
  readonly #turns = new KeyTurns();
  readonly #name: string;

  /**
   * @param first The store that counts before the other.
   * @param second The other.
   * @param over The same of other stores.
   */
  constructor(
    readonly first: R,
    readonly second: R,
    readonly over: (first: AnyRepository, second: AnyRepository) => AnyRepository,
  ) {
    this.inOrder = [first, second, first];
    this.#name = `fallback(${namesOf([first, second])})`;
  }

  /** What knows keys only. */
  keyDriver<D extends KeyDriver>(): KeyDriver & { readonly beside?: (name: string) => D } {
    const { first, second } = this;
    const parts = [first, second];
    const locate = (key: Key, opts?: OperationOptions) => firstWith(this.inOrder, key, opts);
    const { driver } = view<AnyRepository>("keys", {
      name: this.#name,
      identity: `fallback(${identitiesOf(parts)})`,
      by: "or",
      parts,
      over: ([one, other]) => this.over(one!, other!),
      locate,
      writesTo: (key) => Promise.resolve({ repository: first, key }),
      watch: watchParts(parts, async (key, opts) => await locate(key, opts) !== undefined),
      async *keys(opts) {
        opts?.signal?.throwIfAborted();
        // The second holds the exceptions: it is the one to hold in memory.
        const left = await keySet(second, opts);
        for await (const page of first.pages(opts)) {
          for (const key of page) left.delete(key);
          yield page;
        }
        if (left.size > 0) yield [...left];
      },
    });
    type Beside = ((name: string) => KeyDriver) | undefined;
    const [one, other] = parts.map(({ driver }) => (driver as { readonly beside?: Beside }).beside);
    return {
      ...driver,
      info: (key, opts) => this.find(async (part) => placed(await part.info(key, opts), parts, part), opts),
      async delete(key, opts) {
        opts?.signal?.throwIfAborted();
        await second.delete(key, opts);
        await first.delete(key, opts);
      },
      ...(one && other && {
        beside: memoised((name) =>
          this.over(repositoryOf(first.kind, one(name)), repositoryOf(second.kind, other(name))).driver as D
        ),
      }),
    };
  }

  /** What the first store gives, or else the second. */
  async find<T>(ask: (part: R) => Promise<T | undefined>, opts?: OperationOptions): Promise<T | undefined> {
    opts?.signal?.throwIfAborted();
    for (const part of this.inOrder) {
      const found = await ask(part);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Refuses a write on a condition. */
  refuseConditions(key: Key, opts: WriteOptions | undefined): void {
    opts?.signal?.throwIfAborted();
    if (!opts?.ifAbsent && opts?.ifVersion === undefined) return;
    const why = "two stores are not written in one step; write without a condition";
    throw refusal({ name: this.#name }, "write", key, why);
  }

  /** Writes a value that is in hand. */
  async write(
    key: Key,
    opts: OperationOptions | undefined,
    toFirst: (() => Promise<void>) | undefined,
    toSecond: () => Promise<void>,
  ): Promise<void> {
    const release = await this.#turns.take(key, opts?.signal);
    try {
      if (toFirst && await accepted(toFirst)) return await this.second.delete(key);
      await toSecond();
      await this.first.delete(key);
    } finally {
      release();
    }
  }

  /** Writes a value that is too large for the first store. Its turn comes when all of it has flowed by, before it can be seen. */
  async writeFlowing<Flowing>(
    key: Key,
    opts: OperationOptions | undefined,
    taken: Extract<TakenAhead<unknown, Flowing>, { readonly flow: unknown }>,
    toSecond: (flowing: Flowing) => Promise<void>,
  ): Promise<void> {
    let release: (() => void) | undefined;
    const turn: BeforeEnd = async () => {
      release ??= await this.#turns.take(key, opts?.signal);
    };
    try {
      await toSecond(taken.flow(turn));
      await this.first.delete(key);
    } catch (error) {
      await taken.leave(error);
      throw error;
    } finally {
      release?.();
    }
  }
}

/**
 * What was found, or nothing when it is not there.
 *
 * @param found What is being looked for.
 * @returns What it gives.
 */
export async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isDatataskError(error, "not-found")) return undefined;
    throw error;
  }
}

/** Whether a store took a value; anything but its refusal of the value is thrown. */
async function accepted(write: () => Promise<void>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (isDatataskError(error, "invalid-value")) return false;
    throw error;
  }
}
