/**
 * Watching things of one kind: a listing, and then every change, for as long as it is wanted.
 *
 * A watch is resumed where it ended. Where the apiserver no longer knows that place (410) everything is listed again. A connection that went dead
 * without a word is noticed because the apiserver is asked to end each watch after some minutes.
 *
 * @module
 */
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import { Linked } from "./linked.ts";

/** What all things have. */
export interface Thing {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
}

/** A page of a listing. */
interface Page<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

interface Change<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: T;
}

/** What is watched. */
export interface Subject {
  /** The path of the things. */
  readonly path: string;
  /** Which of them. */
  readonly labelSelector: string;
}

/** Who is told of changes. */
export interface WatchListener<T extends Thing> {
  /** Everything is about to be listed. */
  listing(): void;
  /** One is there, or has changed. */
  seen(thing: T): void;
  /** One is gone; how it was at last. */
  gone(thing: T): void;
  /** Everything was listed: what was not seen since it began is gone, or younger. Returns when that is settled. */
  listed(): Promise<void> | void;
}

/** How many things a page of a listing has. */
const PAGE = 500;
/** How long one watch lasts, in seconds. */
const WATCH = 240;
/** How much longer than that a connection may be silent, in milliseconds. */
const SLACK = 20_000;

/**
 * Lists things of one kind, a page at a time.
 *
 * @param api Where.
 * @param subject Which.
 * @param signal When to stop.
 * @returns Each thing; at the end, the version of the listing.
 */
export async function* listing<T extends Thing>(
  api: Api,
  { path, labelSelector }: Subject,
  signal?: AbortSignal,
): AsyncGenerator<T, string, void> {
  let next: string | undefined;
  let version = "";
  do {
    const query = { labelSelector, limit: String(PAGE), ...(next && { continue: next }) };
    const page: Page<T> = await api.call({ path, query, signal });
    yield* page.items;
    version = page.metadata.resourceVersion;
    next = page.metadata.continue || undefined;
  } while (next !== undefined);
  return version;
}

/**
 * Lists everything, and then watches until it fails.
 *
 * @param api Where.
 * @param subject What.
 * @param listener Who is told.
 * @param signal When to stop.
 * @returns Never, but by throwing.
 * @throws {ApiFault} When the apiserver cannot be reached or refuses; the reason of the signal.
 */
export async function watchAll<T extends Thing>(
  api: Api,
  subject: Subject,
  listener: WatchListener<T>,
  signal: AbortSignal,
): Promise<never> {
  while (true) {
    listener.listing();
    const things = listing<T>(api, subject, signal);
    let each = await things.next();
    for (; !each.done; each = await things.next()) listener.seen(each.value);
    await listener.listed();
    let version: string | undefined = each.value;
    while (version !== undefined) version = await watchOnce(api, subject, listener, version, signal);
  }
}

/** One watch. Returns where the next one goes on; nothing when everything must be listed again. */
async function watchOnce<T extends Thing>(
  api: Api,
  { path, labelSelector }: Subject,
  listener: WatchListener<T>,
  from: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  using silent = new Linked(signal);
  const timer = setTimeout(
    () => silent.abort(new ApiFault("the connection went dead", {})),
    WATCH * 1000 + SLACK,
  );
  const query = {
    labelSelector,
    watch: "1",
    allowWatchBookmarks: "true",
    resourceVersion: from,
    timeoutSeconds: String(WATCH),
  };
  let version = from;
  try {
    const stream = await api.stream({ path, query, signal: silent.signal });
    for await (const line of lines(stream)) {
      const { type, object } = JSON.parse(line) as Change<T>;
      if (type === "ERROR") {
        const said = object as unknown as { readonly code?: number; readonly message?: string };
        if (said.code === 410) return undefined;
        throw new ApiFault(said.message ?? "the watch failed", { status: said.code ?? 500 });
      }
      version = object.metadata.resourceVersion;
      if (type === "DELETED") listener.gone(object);
      else if (type !== "BOOKMARK") listener.seen(object);
    }
    return version;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ApiFault && error.status === 410) return undefined;
    // A connection that is cut in the middle: the next one goes on from here, and says what is wrong if something is.
    if (!(error instanceof ApiFault) && version !== from) return version;
    throw error instanceof ApiFault ? error : new ApiFault((error as Error).message, {}, error);
  } finally {
    clearTimeout(timer);
  }
}

async function* lines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    for (const part of parts) if (part !== "") yield part;
  }
}
