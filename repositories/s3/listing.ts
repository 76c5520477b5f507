/**
 * Listing the keys of a place in a bucket.
 *
 * @module
 */
import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from "../../deps/aws_s3.ts";
import { Channel } from "../../core/channel.ts";
import { checkSpoken } from "./answers.ts";
import type { S3Store } from "./store.ts";

/** A part of the names: those after `from`, up to and with `to`. */
interface Part {
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/**
 * All names of values, in pages of a thousand, the next page under way while one is looked at.
 *
 * @param store Where.
 * @param splits Keys at which to cut the listing into parts that are fetched at the same time.
 * @param signal Ends it.
 * @returns The names, in pages.
 */
export async function* listKeys(
  store: S3Store,
  splits: readonly string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly string[], void, void> {
  signal?.throwIfAborted();
  const bounds = [...new Set(splits)].sort();
  if (bounds.length === 0) return yield* listPart(store, { from: undefined, to: undefined }, signal);
  const parts = [undefined, ...bounds].map((from, i): Part => ({ from, to: bounds[i] }));
  const controller = new AbortController();
  const channel = new Channel<readonly string[]>();
  const both = signal ? AbortSignal.any([signal, controller.signal]) : controller.signal;
  const lanes = Promise.all(parts.map(async (part) => {
    for await (const page of listPart(store, part, both)) channel.push(page);
  })).then(() => channel.close(), (reason) => channel.close({ reason }));
  try {
    yield* channel;
  } finally {
    controller.abort();
    await lanes;
  }
}

async function* listPart(
  store: S3Store,
  part: Part,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly string[], void, void> {
  const last = part.to === undefined ? undefined : store.prefix + part.to;
  let next: Promise<ListObjectsV2CommandOutput> | undefined = page(store, part, undefined, signal);
  try {
    while (next) {
      const answer: ListObjectsV2CommandOutput = await next;
      next = undefined;
      const names = namesOf(answer);
      const over = last !== undefined && names.length > 0 && names[names.length - 1]! > last;
      if (answer.IsTruncated && !over) {
        next = page(store, part, answer.NextContinuationToken, signal);
        next.catch(() => {});
      }
      const keys: string[] = [];
      for (const name of names) {
        const key = last !== undefined && name > last ? undefined : store.nameOf(name);
        // What begins so lies beside: no key begins so.
        if (key !== undefined && !key.startsWith("_")) keys.push(key);
      }
      if (keys.length > 0) yield keys;
      signal?.throwIfAborted();
    }
  } finally {
    await next?.catch(() => {});
  }
}

function page(
  store: S3Store,
  part: Part,
  token: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ListObjectsV2CommandOutput> {
  const { bucket, prefix, suffix } = store;
  return store.request("list", undefined, signal, async (client, options) => {
    const answer = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        // Names that are odd in XML come whole; what lies deeper is not even sent.
        EncodingType: "url",
        ...(suffix.includes("/") ? {} : { Delimiter: "/" }),
        ...(part.from === undefined ? {} : { StartAfter: prefix + part.from }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
      options,
    );
    // Anything else that is well formed would pass for an empty listing.
    checkSpoken(answer, answer.Name !== undefined);
    return answer;
  });
}

function namesOf({ Contents = [], EncodingType }: ListObjectsV2CommandOutput): string[] {
  const names = Contents.map(({ Key }) => Key ?? "");
  if (EncodingType !== "url") return names;
  return names.map((name) => /[%+]/.test(name) ? decodeURIComponent(name.replaceAll("+", "%20")) : name);
}
