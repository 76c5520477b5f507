/**
 * Items: values that an attempt publishes one at a time while it runs, each with the values that go under the same key.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Key } from "../core/key.ts";
import type { Grant, GrantedOutput } from "../tasks/agent.ts";
import type { Exchange } from "./exchange.ts";
import { removeAll, sizeOf } from "./files.ts";
import { Refusal } from "./refusal.ts";
import type { Uploads } from "./uploads.ts";
import { unpack } from "./unpack.ts";

/** Of so many items that were published last, what goes under their keys is kept: their worker may not have heard of it, and send them again. */
const KEPT = 64;

type GrantedItems = GrantedOutput & { readonly kind: "items" };

/** The items of one link of one attempt. */
export class Items {
  readonly #granted: GrantedItems;
  readonly #folder: string;
  readonly #most: number;
  readonly #published = new Set<string>();
  /** What is kept of published items, the oldest first. */
  readonly #kept = new Map<string, readonly string[]>();

  /**
   * @param granted What is to be done with one.
   * @param folder Where they lie until they are published; outlives the coordinator.
   * @param most How many there may be.
   */
  constructor(granted: GrantedItems, folder: string, most: number) {
    this.#granted = granted;
    this.#folder = folder;
    this.#most = most;
  }

  /**
   * Takes a value of an item.
   *
   * @param exchange The request.
   * @param admitted Whose it is.
   * @param uploads The uploads of the agent.
   * @param name What the worker calls the item in its requests. What it is called in the job is that too, unless the header `X-Datatask-Name` says
   * otherwise: a name, percent-encoded, or nothing, for an item that has none.
   * @param cokey Which of the values that go under the same key; nothing for the item itself, which is published when it is whole.
   */
  async put(
    exchange: Exchange,
    { grant, signal }: { readonly grant: Grant; readonly signal: AbortSignal },
    uploads: Uploads,
    name: string,
    cokey: string | undefined,
  ): Promise<void> {
    // One that was published is published again, under its key: it has changed, or the worker has not heard that it was.
    if (!this.#published.has(name) && this.#published.size >= this.#most) {
      throw new Refusal(
        413,
        `The item is refused: the attempt has published ${this.#most}; publish fewer, or raise { agent: { maxItems } } of the pipeline`,
      );
    }
    const path = `${this.#folder}/${storageName(name)}${cokey === undefined ? "" : `.${cokey}`}`;
    let answer = "";
    const whole = await uploads.take(exchange, grant, `${path}.part`, async () => {
      if (cokey === undefined) {
        answer = await this.#publish(name, calledIn(exchange, name), path, signal) ?? "";
      } else {
        // What was kept may go; this may not, until it was published too.
        this.#kept.delete(name);
        await settle(path, this.#granted.cokeyed[cokey]!.tree, signal);
      }
    });
    exchange.text(whole ? 201 : 202, answer);
  }

  /** Says how much of an unfinished upload is there. */
  async tell(exchange: Exchange, uploads: Uploads, name: string, cokey: string | undefined): Promise<void> {
    const path = `${this.#folder}/${storageName(name)}${cokey === undefined ? "" : `.${cokey}`}`;
    await uploads.tell(exchange, `${path}.part`);
  }

  async #publish(
    name: string,
    called: string | undefined,
    path: string,
    signal: AbortSignal,
  ): Promise<Key | undefined> {
    const { tree, cokeyed, publish } = this.#granted;
    const beside: Record<string, string> = {};
    for (const other of Object.keys(cokeyed)) {
      if (await sizeOf(`${path}.${other}`) !== undefined) beside[other] = `${path}.${other}`;
    }
    await settle(path, tree, signal);
    try {
      const key = await publish({ name: called, path, cokeyed: beside }, signal);
      if (key !== undefined) this.#published.add(name);
      await this.#keep(name, Object.values(beside));
      return key;
    } finally {
      await removeAll(path);
    }
  }

  /** Keeps what goes under the key of an item that was published, for a while. */
  async #keep(name: string, paths: readonly string[]): Promise<void> {
    this.#kept.delete(name);
    if (paths.length > 0) this.#kept.set(name, paths);
    for (const [oldest, left] of this.#kept) {
      if (this.#kept.size <= KEPT) return;
      this.#kept.delete(oldest);
      for (const path of left) await removeAll(path);
    }
  }
}

/** Puts a value that has come whole in its place. */
async function settle(path: string, tree: boolean, signal: AbortSignal): Promise<void> {
  const part = `${path}.part`;
  if (tree) await unpack(part, path, signal);
  else await Deno.rename(part, path);
}

/** The name of a file for a name that may hold anything. */
function storageName(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, 40);
}

/** What an item is called in its job. */
function calledIn(exchange: Exchange, name: string): string | undefined {
  const said = exchange.header("x-datatask-name");
  if (said === undefined) return name;
  try {
    return said === "" ? undefined : decodeURIComponent(said);
  } catch {
    throw new Refusal(400, "The item is refused: X-Datatask-Name is no percent-encoded UTF-8");
  }
}
