/**
 * Publishing the items of a streaming output: keys, automatic values, and the order that lets nobody see half of one.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Content } from "../core/bytes.ts";
import { RepositoryError } from "../core/errors.ts";
import { checkKey, type Key } from "../core/key.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { TreeEntry } from "../repositories/driver.ts";
import type { FilesystemRepository } from "../repositories/filesystem.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { Repository } from "../repositories/repository.ts";
import type { Peeked } from "./item_peek.ts";
import { itemKey } from "./item_keys.ts";
import type { AutomaticValue, ItemContext, ItemsPlan, Link } from "./link.ts";
import type { RunContext } from "./runner.ts";

/** An item to publish. Values are of the kind that their repository holds; nothing where there is none. */
export interface NewItem {
  /** What the body calls it. Nothing: it is called by what it holds. */
  readonly name: string | undefined;
  /** Its value; of a blob also what opens it, any number of times. */
  readonly value: unknown;
  /** What goes under the same key, by the name of the repository. */
  readonly cokeyed: Readonly<Record<string, unknown>>;
}

/** How to publish an item. */
export interface PublishOptions {
  /** When to stop. */
  readonly signal: AbortSignal;
  /** Throws when the attempt is over. Asked before each write. */
  readonly check?: (() => void) | undefined;
}

/** The streaming output of one attempt. */
export class ItemPublisher {
  readonly #attempt: Attempt;
  readonly #name: string;
  readonly #link: Link;
  readonly #plan: ItemsPlan;
  readonly #context: Pick<RunContext, "published">;

  /**
   * @param attempt Which attempt.
   * @param name The name of the link.
   * @param link The link.
   * @param context Told of each value that was put into a repository.
   */
  constructor(attempt: Attempt, name: string, link: Link, context: Pick<RunContext, "published">) {
    this.#attempt = attempt;
    this.#name = name;
    this.#link = link;
    this.#plan = link.items!;
    this.#context = context;
  }

  /**
   * Publishes an item: what is cokeyed first, then the item itself. Doing it again comes to the same.
   *
   * @param item The item.
   * @param options When to stop.
   * @returns Its key; nothing when it was empty and such items are dropped.
   * @throws {RepositoryError} When it has no valid key, when values do not fit each other, or when a repository refuses one.
   */
  async publish(item: NewItem, options: PublishOptions): Promise<Key | undefined> {
    this.#check(item);
    const { empty, drop, value } = await this.#peeked(item, options.signal);
    if (empty) return undefined;
    try {
      return await this.#publish({ ...item, value }, options);
    } catch (error) {
      // Whoever has given a stream cannot end it, since it was taken here.
      drop?.(error);
      throw error;
    }
  }

  async #publish(given: NewItem, options: PublishOptions): Promise<Key> {
    const { repository, cokeyed } = this.#link;
    const { key, value, release } = await this.#key(given, options.signal);
    try {
      const { job, task, attempt } = this.#attempt;
      const context: ItemContext = { job, task, attempt, key, name: given.name ?? key };
      const whole = await this.#merged(value, this.#plan.own, context, this.#name);
      if (whole === undefined) throw this.#refused(context.name, "it has no value");
      for (const [other, beside] of Object.entries(cokeyed)) {
        const link = `${this.#name}.${other}`;
        const value = await this.#merged(given.cokeyed[other], this.#plan.values[other], context, link);
        if (value !== undefined) await this.#put(beside, key, value, options);
      }
      await this.#put(repository, key, whole, options);
      return key;
    } finally {
      await release?.();
    }
  }

  #check({ name, cokeyed }: NewItem): void {
    const { replica } = this.#attempt;
    if (replica > 0) {
      throw this.#refused(name ?? "", `replica ${replica} publishes nothing`, "unsupported");
    }
    const unknown = Object.keys(cokeyed).find((other) => !Object.hasOwn(this.#link.cokeyed, other));
    if (unknown !== undefined) {
      throw this.#refused(
        name ?? "",
        `there is no cokeyed repository "${unknown}"; name it in outputs(..., { cokeyed })`,
      );
    }
    if (this.#plan.keys !== "content" && (typeof name !== "string" || name === "")) {
      throw this.#refused(name ?? "", "it needs a name; call write(name, value)");
    }
  }

  /** The value of an item, and whether it is empty where such are dropped. */
  async #peeked({ value }: NewItem, signal: AbortSignal): Promise<Peeked> {
    const { kind } = this.#link.repository;
    if (!this.#plan.dropEmpty || (kind !== "blob" && kind !== "filesystem")) return { empty: false, value };
    const { peeked } = await import("./item_peek.ts");
    return await peeked(value, signal);
  }

  /** The key of an item; what its digest was made of is the value from then on. */
  async #key(
    { name, value }: NewItem,
    signal: AbortSignal,
  ): Promise<{ readonly key: Key; readonly value: unknown; readonly release?: () => Promise<void> }> {
    const { task, job } = this.#attempt;
    const { keys } = this.#plan;
    if (keys === "allocated") return { key: itemKey({ task, link: this.#name }, job, name!), value };
    if (keys === "name") return { key: checkKey(name!, "publish", this.#link.repository.name), value };
    const { digestOf } = await import("./digest.ts");
    const { digest, ...content } = await digestOf(this.#link.repository, value, signal);
    return { key: digest, ...content };
  }

  /** A value with what is added to it. */
  async #merged(
    value: unknown,
    automatic: AutomaticValue | undefined,
    context: ItemContext,
    link: string,
  ): Promise<unknown> {
    if (automatic === undefined) return value;
    const added = await automatic(context);
    if (value === undefined || added === undefined) return added ?? value;
    if (Array.isArray(added) && Array.isArray(value)) return [...added, ...value];
    if (isRecord(added) && isRecord(value)) return { ...added, ...value };
    throw this.#refused(
      context.name,
      `the automatic value of ${link} is ${kindOf(added)}, and what was written is ${
        kindOf(value)
      }; make them alike`,
    );
  }

  async #put(repository: Repository, key: Key, value: unknown, options: PublishOptions): Promise<void> {
    const { signal } = options;
    options.check?.();
    switch (repository.kind) {
      case "blob":
        await (repository as BlobRepository).put(
          key,
          typeof value === "function" ? await value() : value as string | Content,
          { signal },
        );
        break;
      case "metadata":
        await (repository as MetadataRepository).set(key, value, { signal });
        break;
      case "filesystem":
        await (repository as FilesystemRepository).put(key, value as AsyncIterable<TreeEntry>, { signal });
        break;
    }
    this.#context.published(repository, key);
  }

  #refused(
    name: string,
    why: string,
    code: "invalid-value" | "unsupported" = "invalid-value",
  ): RepositoryError {
    const { task, job } = this.#attempt;
    const item = name === "" ? "an item" : `item ${JSON.stringify(name)}`;
    return new RepositoryError(
      code,
      `Cannot publish ${item} of job "${job}" in ${task}.${this.#name} (${this.#link.repository.name}): ${why}`,
      { operation: "publish", subject: this.#link.repository.name, key: job },
    );
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a record" : `a ${typeof value}`;
}
