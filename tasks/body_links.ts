/**
 * The links of one attempt, bound for its body, with a note of what it writes.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Bytes } from "../core/bytes.ts";
import { RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { Repository } from "../repositories/repository.ts";
import type { BodyGate } from "./body_gate.ts";
import { bind, type BoundKey } from "./bound.ts";
import { bindLookup } from "./bound_many.ts";
import { ItemPublisher, type NewItem } from "./items.ts";
import type { Link, Links } from "./link.ts";
import { linkKey } from "./resolve.ts";
import type { RunContext } from "./runner.ts";

/** One output of a job, and whether it was written. */
export interface Written {
  readonly link: string;
  readonly repository: Repository;
  readonly key: Key;
  readonly expected: boolean;
  seen: boolean;
  /** What the last write has failed with. */
  error?: { readonly reason: unknown };
}

/** What the links of one attempt are bound in. */
export interface BodyScope {
  readonly attempt: Attempt;
  readonly links: Links;
  readonly gate: BodyGate;
  /** Where each output is noted. */
  readonly outputs: Written[];
  readonly context: RunContext;
}

/**
 * Binds a link to the job of an attempt.
 *
 * @param scope The attempt.
 * @param name The name of the link.
 * @returns What the body gets under this name.
 * @throws {RepositoryError} When the job has no key there, or a document is not there.
 */
export async function bindLink(scope: BodyScope, name: string): Promise<unknown> {
  const { attempt, links, gate, outputs, context } = scope;
  const link = links[name]!;
  if (link.view === "lookup") return bindLookup(link.repository, gate);
  if (link.view === "stream") return bindStream(scope, name);
  if (link.view === "items") return bindItems(scope, name);
  if (link.view === "none" && !link.expected) return undefined;
  const { job, task } = attempt;
  const key = link.key ? await linkKey(task, links, name, job, context.signal) : job;
  if (key === undefined) {
    throw new RepositoryError(
      "invalid-key",
      `Cannot find the key of job "${job}" in link ${task}.${name}: ${link.key!.label} gives none`,
      {
        operation: "find the key",
        subject: task,
        key: job,
      },
    );
  }
  if (link.view === "key" || link.view === "none") {
    if (link.direction === "out") {
      outputs.push({ link: name, repository: link.repository, key, expected: link.expected, seen: false });
    }
    return link.view === "key" ? key : undefined;
  }
  if (link.view === "value") {
    return await (link.repository as MetadataRepository).get(key, { signal: context.signal });
  }
  const whole = bindOne(scope, link.repository, key, link, name);
  const cokeyed = Object.entries(link.cokeyed).map(([other, repository]) =>
    [
      other,
      bindOne(scope, repository, key, { ...link, expected: false }, `${name}.${other}`),
    ] as const
  );
  return cokeyed.length === 0 ? whole : Object.assign(whole, Object.fromEntries(cokeyed));
}

/** Binds one repository, and takes note of what is written. */
function bindOne(
  { attempt, gate, outputs, context }: BodyScope,
  repository: Repository,
  key: Key,
  link: Link,
  name: string,
): BoundKey {
  const bound = bind(repository, key, link.direction, gate) as BoundKey & {
    write?: (value: never) => Promise<void>;
    create?: () => WritableStream<Bytes>;
  };
  if (link.direction === "in") return bound;
  const output: Written = {
    link: name,
    repository,
    key,
    expected: link.direction === "out" && link.expected,
    seen: false,
  };
  if (link.direction === "out") outputs.push(output);
  const wrote = (): void => {
    output.seen = true;
    context.published(repository, key);
  };
  const { write, create } = bound;
  if (attempt.replica > 0) {
    const refuse = (): never => {
      throw new RepositoryError(
        "unsupported",
        `Cannot write "${key}" of ${repository.name}: replica ${attempt.replica} publishes nothing`,
        {
          operation: "write",
          subject: repository.name,
          key,
        },
      );
    };
    return Object.assign(bound, write && { write: refuse }, create && { create: refuse });
  }
  if (write) {
    const failed = (reason: unknown): never => {
      output.error = { reason };
      throw reason;
    };
    bound.write = (value) => gate.track(write(value).then(wrote, failed));
  }
  if (create) {
    bound.create = () => {
      const writer = create().getWriter();
      writer.closed.catch(() => {});
      const over = gate.opened(writer);
      return new WritableStream({
        write: (chunk) => writer.write(chunk),
        close: () => {
          over();
          return gate.track(writer.close().then(wrote));
        },
        abort: (reason) => {
          over();
          return writer.abort(reason);
        },
      });
    };
  }
  return bound;
}

/** The items of a streaming input, each bound to its key. */
function bindStream({ links, gate, context }: BodyScope, name: string): AsyncIterable<BoundKey> {
  const { repository, cokeyed } = links[name]!;
  const item = (key: Key): BoundKey =>
    Object.assign(
      bind(repository, key, "in", gate),
      Object.fromEntries(
        Object.entries(cokeyed).map(([other, beside]) => [other, bind(beside, key, "in", gate)]),
      ),
    );
  return {
    async *[Symbol.asyncIterator]() {
      gate.check();
      for await (const key of context.feed(name)) yield item(key);
    },
  };
}

/** A streaming output: what the body has not waited for is waited for at its end. */
function bindItems({ attempt, links, gate, context }: BodyScope, name: string): unknown {
  const link = links[name]!;
  const publisher = new ItemPublisher(attempt, name, link, context);
  const check = (): void => gate.check();
  const publish = (
    item: Omit<NewItem, "cokeyed">,
    cokeyed: NewItem["cokeyed"] = {},
  ): Promise<Key | undefined> => {
    const published = publisher.publish({ ...item, cokeyed }, { signal: gate.signal, check });
    return gate.track(published);
  };
  return {
    write: link.items!.keys === "content"
      ? (value: unknown, cokeyed?: NewItem["cokeyed"]) => publish({ name: undefined, value }, cokeyed)
      : (key: string, value: unknown, cokeyed?: NewItem["cokeyed"]) => publish({ name: key, value }, cokeyed),
  };
}
