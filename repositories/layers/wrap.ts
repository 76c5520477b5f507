/**
 * What layers over drivers have in common: a driver's methods with something done around each, whatever the kind of value.
 *
 * @module
 */
import { classifySystemError, type ErrorCode, RepositoryError } from "../../core/errors.ts";
import { isKey, type Key } from "../../core/key.ts";
import type { Change, Derivation, KeyDriver, OperationOptions } from "../driver.ts";

/** What an operation on one key is for. */
export type Purpose = "look up" | "read" | "write" | "delete";

/** One operation on one key. */
export interface KeyedCall {
  /** The driver's method. */
  readonly method: string;
  /** What it is for. */
  readonly purpose: Purpose;
  /** On which key. */
  readonly key: Key;
  /** The arguments after the key. */
  readonly rest: readonly unknown[];
  /** The options it was given. */
  readonly options: OperationOptions | undefined;
}

/** Does something around an operation. `proceed` does it, on another key where one is given, with other arguments where they are given. */
export type Around = (
  call: KeyedCall,
  proceed: (key?: Key, rest?: readonly unknown[]) => Promise<unknown>,
) => Promise<unknown>;

/** The asynchronous methods that take a key first: what each is for, and where among the other arguments its options are. */
const KEYED: Readonly<Record<string, readonly [purpose: Purpose, options: number]>> = {
  has: ["look up", 0],
  info: ["look up", 0],
  delete: ["delete", 0],
  read: ["read", 0],
  readBytes: ["read", 0],
  get: ["read", 0],
  entries: ["read", 0],
  open: ["read", 1],
  write: ["write", 1],
  set: ["write", 1],
  staging: ["write", 0],
  adopt: ["write", 1],
};

/** The methods of a driver of any kind, by name. */
export type Methods = Record<string, unknown>;

/**
 * A copy of a driver with something done around every operation on one key. Methods that the driver lacks stay away, and so does `setMany`.
 *
 * @param inner The driver.
 * @param around What to do.
 * @param changes What else differs; `undefined` removes a method.
 * @returns The copy.
 */
export function wrapDriver<D extends KeyDriver>(
  inner: D,
  around: Around | undefined,
  changes: Methods & { readonly derived?: Derivation } = {},
): D {
  // Many values at once would pass by what is done around one.
  const { setMany: _many, ...outer } = { ...inner as object } as Methods;
  for (const [method, [purpose, at]] of Object.entries(around ? KEYED : {})) {
    const call = outer[method] as ((...args: unknown[]) => Promise<unknown>) | undefined;
    if (call === undefined) continue;
    outer[method] = async (key: Key, ...rest: unknown[]) => {
      const options = rest[at] as OperationOptions | undefined;
      const proceed = (other = key, args: readonly unknown[] = rest): Promise<unknown> =>
        call(other, ...args);
      return await around!({ method, purpose, key, rest, options }, proceed);
    };
  }
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) delete outer[name];
    else outer[name] = value;
  }
  return outer as unknown as D;
}

/**
 * What a driver of another kind of value passes on as it is of the driver beneath: all that is about keys.
 *
 * @param inner The driver beneath.
 * @returns Its functions.
 */
export function keyFunctions(
  inner: KeyDriver,
): Omit<KeyDriver, "name" | "identity" | "supports" | "derived"> {
  const { keys, has, delete: remove, info, prepare, watch, admits, classify } = inner;
  return {
    keys,
    has,
    delete: remove,
    ...(info && { info }),
    ...(prepare && { prepare }),
    ...(watch && { watch }),
    ...(admits && { admits }),
    ...(classify && { classify }),
  };
}

/**
 * The `info` of a driver whose values are not as long as those beneath.
 *
 * @param inner The driver beneath.
 * @returns The function, where there is one.
 */
export function unsizedInfo({ info }: KeyDriver): Pick<KeyDriver, "info"> {
  return info
    ? {
      async info(key, options) {
        const found = await info(key, options);
        return found && { ...found, size: undefined };
      },
    }
    : {};
}

/**
 * The `beside` of a layered driver: the layer over what is beside the driver.
 *
 * @param inner The driver.
 * @param layer The layer.
 * @returns The method, or nothing when the driver has none.
 */
export function besideUnder<D extends KeyDriver>(
  inner: D,
  layer: (beside: D) => D,
): ((name: string) => D) | undefined {
  const { beside } = inner as D & { readonly beside?: (name: string) => D };
  return beside && ((name) => layer(beside(name)));
}

/**
 * What an operation gives for a key that is not there.
 *
 * @param call The operation.
 * @returns `false` for `has`, nothing for others.
 */
export function absent(call: KeyedCall): false | undefined {
  call.options?.signal?.throwIfAborted();
  return call.method === "has" ? false : undefined;
}

/**
 * Refuses a write, and cancels the stream that it was given.
 *
 * @param call The write.
 * @param error Why.
 * @throws Always that error, or the reason of the signal when it is aborted.
 */
export async function refuse(call: KeyedCall, error: RepositoryError): Promise<never> {
  const [content] = call.rest;
  if (content instanceof ReadableStream && !content.locked) await content.cancel(error).catch(() => {});
  call.options?.signal?.throwIfAborted();
  throw error;
}

/**
 * An error of code `unsupported`.
 *
 * @param operation What was tried.
 * @param key On which key.
 * @param subject Of whom.
 * @param why Why not, and what to do.
 * @returns The error.
 */
export function unsupported(operation: string, key: Key, subject: string, why: string): RepositoryError {
  return new RepositoryError("unsupported", `Cannot ${operation} "${key}" of ${subject}: ${why}`, {
    operation,
    subject,
    key,
  });
}

/** Picks keys; a promise only when an answer is one. */
export type KeyTest = (key: Key, options?: OperationOptions) => boolean | Promise<boolean>;

/**
 * Pages with those keys that pass. Names that are no keys pass as they are: whoever is above warns of them.
 *
 * @param pages The pages.
 * @param test Which keys pass.
 * @param options When to stop.
 */
export async function* selectPages(
  pages: AsyncIterable<readonly string[]>,
  test: KeyTest,
  options: OperationOptions | undefined,
): AsyncGenerator<readonly string[], void, void> {
  for await (const page of pages) {
    let answers: readonly (boolean | Promise<boolean>)[] = page.map((name) =>
      !isKey(name) || test(name, options)
    );
    if (answers.some((answer) => typeof answer !== "boolean")) answers = await Promise.all(answers);
    const kept = page.filter((_, i) => answers[i]);
    if (kept.length > 0) yield kept;
  }
}

/**
 * Changes, each turned into another or dropped. Ends when the signal is aborted, also in the middle of turning one.
 *
 * @param changes The changes.
 * @param options When to end.
 * @param turn Gives what to tell in place of a change, or nothing.
 */
export async function* mapChanges(
  changes: AsyncIterable<Change>,
  { signal }: OperationOptions,
  turn: (
    change: { readonly key: Key; readonly present: boolean },
  ) => Change | undefined | Promise<Change | undefined>,
): AsyncGenerator<Change, void, void> {
  for await (const change of changes) {
    let turned: Change | undefined = change;
    try {
      if (change !== "rescan") turned = await turn(change);
    } catch (error) {
      if (signal?.aborted) return;
      throw error;
    }
    if (turned !== undefined) yield turned;
  }
}

/**
 * What an error of a driver means.
 *
 * @param driver Whose error it is.
 * @param error What was thrown.
 * @returns Its code, where it has one.
 */
export function codeOf(driver: KeyDriver, error: unknown): ErrorCode | undefined {
  return driver.classify?.(error) ?? classifySystemError(error);
}

/**
 * The identity of something that depends on a function: its `id`, or one that is never met again.
 *
 * @param id What the user calls the function.
 * @returns The identity.
 */
export function functionIdentity(id: string | undefined): string {
  return id ?? `function-${crypto.randomUUID()}`;
}
