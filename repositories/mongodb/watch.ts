/**
 * Changes of a collection as they happen: told by the server where it can, else found by looking again and again.
 *
 * @module
 */
import { isKey } from "../../core/key.ts";
import type { Collection } from "../../deps/mongodb.ts";
import type { Change } from "../driver.ts";
import type { Entry } from "./place.ts";
import { FIELD } from "./stamp.ts";

/** Codes of a server without change streams: not of a set, not supported, not known. */
const NO_STREAMS: ReadonlySet<unknown> = new Set([40573, 115, 59, 303, 40324, 136]);

/** How long to wait between two looks, in milliseconds, at least. */
const PAUSE = 1_000;

/** Looking takes at most one part in so many of the time. */
const SHARE = 20;

/** What is read of an event of a change stream. */
export interface StreamEvent {
  /** What happened: `insert`, `delete`, `drop`. */
  readonly operationType: string;
  /** To which document. */
  readonly documentKey?: { readonly _id?: unknown } | undefined;
}

/**
 * What an event of a change stream tells of keys.
 *
 * @param event The event.
 * @returns The change, or nothing when it is about no key.
 */
export function changeOf(event: StreamEvent): Change | undefined {
  const key = event.documentKey?._id;
  switch (event.operationType) {
    case "insert":
    case "replace":
    case "update":
    case "delete":
      return typeof key === "string" && isKey(key)
        ? { key, present: event.operationType !== "delete" }
        : undefined;
    case "drop":
    case "rename":
    case "dropDatabase":
    case "invalidate":
      return "rescan";
    default:
      return undefined;
  }
}

/**
 * Changes of a collection. Tells `rescan` first: what happened before the server listened is not known.
 *
 * @param collection Gives the collection.
 * @param signal Ends it.
 * @param version The field that changes with each write.
 * @returns The changes.
 */
export async function* watchCollection(
  collection: () => Collection<Entry>,
  signal: AbortSignal | undefined,
  version: string = FIELD,
): AsyncGenerator<Change, void, void> {
  while (!signal?.aborted) {
    try {
      yield* streamed(collection(), signal);
    } catch (error) {
      if (signal?.aborted) return;
      if (!NO_STREAMS.has((error as { code?: unknown }).code)) throw error;
      return yield* polled(collection, signal, version);
    }
  }
}

/** Ends when the stream does: after `drop` a new one is opened. The client itself resumes a stream whose connection breaks. */
async function* streamed(
  collection: Collection<Entry>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Change, void, void> {
  const stream = collection.watch([], { maxAwaitTimeMS: 1_000 });
  const close = (): void => void stream.close().catch(() => {});
  signal?.addEventListener("abort", close, { once: true });
  try {
    // The first look opens the stream: from then on nothing is missed.
    let event = await stream.tryNext();
    yield "rescan";
    while (!signal?.aborted) {
      const change = event && changeOf(event);
      if (change) yield change;
      if (event?.operationType === "invalidate") return;
      event = await stream.tryNext();
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener("abort", close);
    await stream.close();
  }
}

async function* polled(
  collection: () => Collection<Entry>,
  signal: AbortSignal | undefined,
  version: string,
): AsyncGenerator<Change, void, void> {
  let before = await versions(collection(), signal, version);
  yield "rescan";
  for (let took = 0;;) {
    await pause(Math.max(PAUSE, took * SHARE), signal);
    if (signal?.aborted) return;
    const start = performance.now();
    let now: Map<string, string>;
    try {
      now = await versions(collection(), signal, version);
    } catch (error) {
      if (signal?.aborted) return;
      throw error;
    }
    took = performance.now() - start;
    for (const [key, seen] of now) if (before.get(key) !== seen) yield { key, present: true };
    for (const key of before.keys()) if (!now.has(key)) yield { key, present: false };
    before = now;
  }
}

async function versions(
  collection: Collection<Entry>,
  signal: AbortSignal | undefined,
  field: string,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const projection = { [field]: 1 };
  for await (
    const document of collection.find({}, { projection, batchSize: 10_000, ...(signal && { signal }) })
  ) {
    if (typeof document._id !== "string" || !isKey(document._id)) continue;
    found.set(document._id, String(document[field]));
  }
  return found;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    if (signal?.aborted) done();
  });
}
