/**
 * What is done for each request of an attempt that was let in.
 *
 * @module
 */
import { type Bytes, encodeText } from "../core/bytes.ts";
import type { Repository } from "../repositories/repository.ts";
import { partOf } from "../tasks/agent.ts";
import type { Admitted } from "./admitted.ts";
import { copyTo, fileIn } from "./copies.ts";
import type { Digests } from "./digests.ts";
import type { Exchange } from "./exchange.ts";
import { parseRange } from "./ranges.ts";
import { Refusal } from "./refusal.ts";
import type { WorkRoute } from "./route.ts";
import type { Uploads } from "./uploads.ts";
import { unpack } from "./unpack.ts";
import { inMemory, type Representation, representationOf } from "./values.ts";

/** What requests share. */
export interface Shop {
  readonly digests: Digests;
  readonly uploads: Uploads;
  /** How long a feed waits for a key, in milliseconds. */
  readonly pollMs: number;
}

/**
 * Answers a request.
 *
 * @param route What it asks for.
 * @param exchange The request.
 * @param admitted Whose it is.
 * @param shop What requests share.
 */
export async function serve(
  route: WorkRoute,
  exchange: Exchange,
  admitted: Admitted,
  shop: Shop,
): Promise<void> {
  switch (route.to) {
    case "in":
      return await sendValue(exchange, admitted, await valueOf(route, exchange, admitted), shop.digests);
    case "digest": {
      const { sha256 } = await shop.digests.of(await valueOf(route, exchange, admitted), exchange.signal);
      return exchange.text(200, sha256);
    }
    case "feed": {
      const page = await admitted.feed(route.link).page(route.after, shop.pollMs, exchange.signal);
      return exchange.text(200, [`@${page.cursor}`, ...page.keys, ...(page.ended ? ["."] : [])].join("\n"));
    }
    case "keys": {
      const { repository } = admitted.lookup(route.link);
      const type = { "Content-Type": "text/plain; charset=utf-8" };
      return await exchange.send(200, type, undefined, () => listing(repository, exchange.signal));
    }
    case "out":
      return await takeOutput(exchange, admitted, route.link, shop.uploads);
    case "items": {
      const { items, cokey } = admitted.items(route.link);
      if (exchange.request.method === "HEAD") {
        return await items.tell(exchange, shop.uploads, route.name, cokey);
      }
      return await items.put(exchange, admitted, shop.uploads, route.name, cokey);
    }
    case "files": {
      const bytes = await admitted.grant.files?.(route.path);
      if (!bytes) throw new Refusal(404, `There is no file ${JSON.stringify(route.path)} for this attempt`);
      const value = inMemory(bytes, "application/octet-stream");
      return await sendValue(exchange, admitted, value, shop.digests);
    }
  }
}

function valueOf(
  route: { readonly link: string; readonly key: string | undefined },
  exchange: Exchange,
  admitted: Admitted,
): Promise<Representation> {
  const { granted, key } = admitted.input(route.link, route.key);
  return representationOf(granted.repository, key, admitted.grant.documents, exchange.signal);
}

/** The keys of a repository, one a line. */
function listing(repository: Repository, signal: AbortSignal): Promise<ReadableStream<Bytes>> {
  const pages = repository.pages({ signal, onSkipped: () => {} });
  return Promise.resolve(
    new ReadableStream<Bytes>({
      async pull(controller) {
        const { done, value } = await pages.next();
        if (done) controller.close();
        else controller.enqueue(encodeText(`${value.join("\n")}\n`));
      },
      cancel: async () => void await pages.return(),
    }, { highWaterMark: 0 }),
  );
}

async function sendValue(
  exchange: Exchange,
  admitted: Admitted,
  value: Representation,
  digests: Digests,
): Promise<void> {
  const { tag, type, open } = value;
  const { signal } = exchange;
  const file = fileIn(exchange);
  const digest = digests.peek(value);
  const headers: Record<string, string> = {
    "Content-Type": type,
    "Accept-Ranges": "bytes",
    ...(tag !== undefined && { ETag: tag }),
    ...(digest && { "X-Datatask-Sha256": digest.sha256 }),
  };
  if (tag !== undefined && exchange.header("if-none-match") === tag) {
    return exchange.head(304, headers);
  }
  const wanted = exchange.header("range");
  const condition = exchange.header("if-range");
  if (wanted !== undefined && (condition === undefined || condition === tag)) {
    // A part can be told from the whole only by who knows the length of the whole.
    const size = value.size ?? (await digests.of(value, signal)).size;
    const range = parseRange(wanted, size);
    if (range === "unsatisfiable") {
      throw new Refusal(416, `The value has ${size} bytes; there are none at ${wanted}`, {
        "Content-Range": `bytes */${size}`,
      });
    }
    if (range) {
      const { start, end } = range;
      if (await copyTo(exchange, admitted.grant, file, value, range)) return;
      const part = { ...headers, "Content-Range": `bytes ${start}-${end - 1}/${size}` };
      return await exchange.send(206, part, end - start, () => open(signal, range));
    }
  }
  const whole = { start: 0, end: value.size ?? 0 };
  if (wanted === undefined && await copyTo(exchange, admitted.grant, file, value, whole)) return;
  await exchange.send(200, headers, value.size ?? digest?.size, () => open(signal));
}

async function takeOutput(
  exchange: Exchange,
  admitted: Admitted,
  link: string,
  uploads: Uploads,
): Promise<void> {
  const { path, tree } = admitted.output(link);
  const partial = partOf(path);
  if (exchange.request.method === "HEAD") return await uploads.tell(exchange, partial);
  const whole = await uploads.take(
    exchange,
    admitted.grant,
    partial,
    () => tree ? unpack(partial, path, exchange.signal) : Deno.rename(partial, path),
  );
  exchange.text(whole ? 201 : 202, "");
}
