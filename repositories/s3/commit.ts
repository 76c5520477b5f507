/**
 * The request that shows a value: sent until it is known whether it was done.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";
import type { Key } from "../../core/key.ts";
import { HeadObjectCommand } from "../../deps/aws_s3.ts";
import type { WriteOptions } from "../driver.ts";
import { nameOf, statusOf } from "./errors.ts";
import type { S3Store, SendOptions } from "./store.ts";
import type { S3Client } from "../../deps/aws_s3.ts";

/** The metadata that tells a write from others, so that one whose answer was lost can be recognised as done. */
const MARK = "datatask-write";

/** How often to repeat a write that met another one half-way. */
const COLLISIONS = 8;

/** The headers of a write's condition. */
export function conditionOf(
  { ifAbsent, ifVersion }: WriteOptions,
): { IfNoneMatch?: string; IfMatch?: string } {
  return {
    ...(ifAbsent ? { IfNoneMatch: "*" } : {}),
    ...(ifVersion === undefined ? {} : { IfMatch: ifVersion }),
  };
}

/** The metadata of a write that has to be recognised. */
export function markedWith(mark: string): { readonly Metadata: Record<string, string> } {
  return { Metadata: { [MARK]: mark } };
}

/**
 * Sends the request that shows a value. When its answer was lost on the way and it was sent again, the store refuses the second one
 * because of the first: the mark tells whether the value that is there is the one that was sent.
 */
export async function commit(
  store: S3Store,
  key: Key,
  options: WriteOptions,
  mark: string | undefined,
  call: (client: S3Client, options: SendOptions) => Promise<unknown>,
): Promise<void> {
  const { signal } = options;
  for (let collisions = 0;; collisions++) {
    try {
      return void await store.send(signal, call);
    } catch (error) {
      // Also after one try: below this client, a request is sent again without a word when an idle connection breaks.
      const refused = [404, 409, 412].includes(statusOf(error) ?? 0);
      if (refused && mark !== undefined && await isMarked(store, key, mark, signal)) return;
      const collided = nameOf(error) === "Outrun" ||
        statusOf(error) === 409 && nameOf(error) === "ConditionalRequestConflict";
      if (!collided || collisions >= COLLISIONS) throw refusal(store, key, options, error);
      await sleep(systemClock, 20 * 2 ** collisions * Math.random(), signal);
    }
  }
}

async function isMarked(
  store: S3Store,
  key: Key,
  mark: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const { Metadata } = await store.send(
      signal,
      (client, send) =>
        client.send(new HeadObjectCommand({ Bucket: store.bucket, Key: store.objectOf(key) }), send),
    );
    return Metadata?.[MARK] === mark;
  } catch {
    return false;
  }
}

function refusal(store: S3Store, key: Key, options: WriteOptions, error: unknown): unknown {
  const status = statusOf(error);
  const { ifAbsent, ifVersion } = options;
  if (status !== 412 && status !== 409 && !(status === 404 && nameOf(error) === "NoSuchKey")) return error;
  if (ifAbsent && ifVersion === undefined) return store.taken(key);
  return ifVersion === undefined ? error : store.changed(key, ifVersion);
}
