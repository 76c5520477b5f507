/**
 * How a conformance suite runs: cases by name, each on a fresh store.
 *
 * @module
 */
import assert from "node:assert/strict";
import { classifySystemError, type ErrorCode } from "../core/errors.ts";
import type { KeyDriver } from "../repositories/driver.ts";

/** How a suite gets at a driver. Only `make` is required. */
export interface Harness<D extends KeyDriver> {
  /** A driver over a fresh, empty, isolated store. What must be cleaned up goes onto the stack. */
  make(stack: AsyncDisposableStack): D | Promise<D>;
  /** A second driver over the same store, as another process would have it. Left out when the store cannot be had twice. */
  reopen?(driver: D, stack: AsyncDisposableStack): D | Promise<D>;
  /** For a driver that is read-only: one that writes to the same store, so that there is something to read. */
  writer?(driver: D, stack: AsyncDisposableStack): D | Promise<D>;
  /** Cases that this driver does not meet. Each must name a case of the suite; each is shown as ignored with its reason. */
  readonly except?: readonly { readonly case: string; readonly because: string }[];
  /** How many keys the long listing has. @default 5_001 */
  readonly many?: number;
  /**
   * Leaves out the cases that are about amounts and time: large values, long listings, long races, watching. For a layer that passes values on as
   * they are, over a driver that meets them by itself. @default false
   */
  readonly brief?: boolean;
  /** The size of the huge blob, or file in a tree, that is written and read as a stream, in bytes; memory must not grow with it. @default None is tried */
  readonly huge?: number;
  /** Registers a test; `ignored` holds the reason when it must not run. @default Deno.test */
  readonly test?: (name: string, body: () => Promise<void>, ignored?: string) => void;
}

/** What a case works with. */
export interface CaseContext<D extends KeyDriver> {
  /** The driver under test. */
  readonly driver: D;
  /** What writes: the driver under test unless that is read-only. */
  readonly writer: D;
  /** A second driver over the same store; the first again when the harness has no other. */
  readonly other: D;
  /** Cleans up when the case is over. */
  readonly stack: AsyncDisposableStack;
  /** How many keys the long listing has. */
  readonly many: number;
  /** The size of the huge blob or file, in bytes, when one is to be tried. */
  readonly huge: number | undefined;
}

/** One case. */
export interface SuiteCase<D extends KeyDriver> {
  /** Throws when the driver breaks its contract. */
  (context: CaseContext<D>): Promise<void>;
  /** Whether it is about amounts and time, and left out of a brief suite. */
  readonly long?: true;
}

/** Cases by name. A name that begins with `write: ` is about writing, which a read-only driver must refuse in its place. */
export type SuiteCases<D extends KeyDriver> = Readonly<Record<string, SuiteCase<D>>>;

/**
 * Marks a case that is about amounts and time.
 *
 * @param run The case.
 * @returns The same case, which a brief suite leaves out.
 */
export function long<D extends KeyDriver>(run: (context: CaseContext<D>) => Promise<void>): SuiteCase<D> {
  return Object.assign(run, { long: true as const });
}

/**
 * Registers one test per case.
 *
 * @param name What is tested, for the names of the tests: `fileDriver()`.
 * @param harness How to get at a driver.
 * @param cases The cases.
 * @param refuses Sees that a read-only driver refuses to write.
 * @throws {Error} When `except` names a case that does not exist.
 */
export function runSuite<D extends KeyDriver>(
  name: string,
  harness: Harness<D>,
  cases: SuiteCases<D>,
  refuses: (driver: D) => Promise<void>,
): void {
  const excepted = new Map(harness.except?.map((e) => [e.case, e.because]));
  for (const title of excepted.keys()) {
    if (!(title in cases)) {
      throw new Error(`${name}: except names ${JSON.stringify(title)}, which is no case`);
    }
  }
  const register = harness.test ?? registerWithDeno;
  for (const [title, run] of Object.entries(cases)) {
    if (harness.brief && run.long) continue;
    const because = excepted.get(title);
    const label = because === undefined ? `${name} ${title}` : `${name} ${title} [except: ${because}]`;
    register(label, () => runCase(harness, title, run, refuses), because);
  }
}

function registerWithDeno(name: string, body: () => Promise<void>, ignored?: string): void {
  Deno.test({ name, fn: body, ignore: ignored !== undefined });
}

async function runCase<D extends KeyDriver>(
  harness: Harness<D>,
  title: string,
  run: SuiteCase<D>,
  refuses: (driver: D) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const driver = await harness.make(stack);
  await driver.prepare?.();
  const readOnly = !driver.supports.writable;
  if (readOnly && (title.startsWith("write: ") || !harness.writer)) return await refuses(driver);
  const writer = readOnly ? await harness.writer!(driver, stack) : driver;
  const other = harness.reopen ? await harness.reopen(driver, stack) : driver;
  await run({ driver, writer, other, stack, many: harness.many ?? 5_001, huge: harness.huge });
}

/**
 * What an error means to whoever asks this driver.
 *
 * @param driver Who threw it.
 * @param error What was thrown.
 * @returns Its code, when it has one.
 */
export function codeOf(driver: KeyDriver, error: unknown): ErrorCode | undefined {
  return driver.classify?.(error) ?? classifySystemError(error);
}

/**
 * Sees that a promise is rejected with an error of one of some codes.
 *
 * @param driver Whose error it is.
 * @param codes Which codes will do.
 * @param promise What must fail.
 * @param what What was tried, for the failure.
 */
export async function rejectsWith(
  driver: KeyDriver,
  codes: ErrorCode | readonly ErrorCode[],
  promise: Promise<unknown>,
  what = "it",
): Promise<void> {
  const wanted = ([] as ErrorCode[]).concat(codes);
  try {
    await promise;
  } catch (error) {
    const code = codeOf(driver, error);
    assert(
      code !== undefined && wanted.includes(code),
      `${what} must fail with ${wanted.join(" or ")}, not with ${code}: ${error}`,
    );
    return;
  }
  assert.fail(`${what} must fail with ${wanted.join(" or ")}`);
}

/**
 * All keys a driver lists, in order. Fails when one is listed twice.
 *
 * @param driver Whose.
 * @returns The keys, sorted.
 */
export async function listKeys(driver: KeyDriver): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of driver.keys()) keys.push(...page);
  const unique = [...new Set(keys)].sort();
  assert.equal(keys.length, unique.length, "a key was listed twice");
  return unique;
}

/** How long a store without a consistent listing gets, in milliseconds. */
const SETTLE = 10_000;

/**
 * Sees that a driver lists these keys and no others: at once, or soon when it does not claim a consistent listing.
 *
 * @param driver Whose.
 * @param expected The keys, in any order.
 */
export async function listsExactly(driver: KeyDriver, expected: Iterable<string>): Promise<void> {
  const wanted = [...expected].sort();
  const until = performance.now() + SETTLE;
  for (;;) {
    const listed = await listKeys(driver);
    const same = listed.length === wanted.length && listed.every((key, i) => key === wanted[i]);
    if (same || driver.supports.consistentListing || performance.now() > until) {
      return assert.deepEqual(listed, wanted);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * Does something for each item, a few at a time.
 *
 * @param items The items.
 * @param width How many at a time.
 * @param call What to do.
 */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  call: (item: T) => Promise<void>,
): Promise<void> {
  let at = 0;
  await Promise.all(Array.from({ length: width }, async () => {
    while (at < items.length) await call(items[at++]!);
  }));
}
