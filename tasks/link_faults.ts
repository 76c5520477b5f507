/**
 * What can be wrong with the links of a task.
 *
 * @module
 */
import { itemDocument } from "./item_keys.ts";
import type { Link, Links } from "./link.ts";

/** Names that links cannot have, because bodies get something else under them. */
const RESERVED_LINK_NAMES: ReadonlySet<string> = new Set([
  "job",
  "task",
  "attempt",
  "replica",
  "signal",
  "log",
  "quota",
  "done",
  "success",
  "failed",
  "live",
  "logs",
  "attempts",
]);

/** Names that cokeyed repositories cannot have, because what is bound to a key has members of these names. */
const MEMBERS: ReadonlySet<string> = new Set([
  "key",
  "exists",
  "text",
  "bytes",
  "stream",
  "write",
  "create",
  "get",
  "find",
  "entries",
  "open",
]);

/**
 * Finds all that is wrong with the links of a task.
 *
 * @param name The name of the task.
 * @param links Its links.
 * @returns What is wrong, a sentence each, with what to do.
 */
export function linkFaults(name: string, links: Links): string[] {
  const faults: string[] = [];
  for (const [link, { cokeyed, key }] of Object.entries(links)) {
    if (RESERVED_LINK_NAMES.has(link)) {
      faults.push(`Task ${name} has a link named "${link}", which is taken; give it another name`);
    } else if (!/^[A-Za-z_$][\w$]*$/.test(link)) {
      faults.push(`Task ${name} has a link named "${link}"; use letters, digits and "_"`);
    }
    for (const other of Object.keys(cokeyed)) {
      if (!/^[A-Za-z_$][\w$]*$/.test(other)) {
        faults.push(
          `Link ${name}.${link} has a cokeyed repository named "${other}"; use letters, digits and "_"`,
        );
      } else if (MEMBERS.has(other)) {
        faults.push(
          `Link ${name}.${link} has a cokeyed repository named "${other}", which is taken; give it another name`,
        );
      }
    }
    if (key?.kind === "field" && links[key.link!] === undefined) {
      faults.push(
        `Link ${name}.${link} takes its key from "${key.label}", but the task has no link "${key.link}"`,
      );
    } else if (key?.kind === "field" && links[key.link!]!.repository.kind !== "metadata") {
      faults.push(
        `Link ${name}.${link} takes its key from "${key.label}", but ${key.link} holds no documents`,
      );
    }
    const { view, repository } = links[link]!;
    if (view === "value" && repository.kind !== "metadata") {
      faults.push(
        `Link ${name}.${link} asks for the document itself, but ${repository.name} holds none; leave out { as: "value" }`,
      );
    }
    if (key?.kind === "allocated" && links[link]!.direction === "in") {
      faults.push(`Link ${name}.${link} is an input with an allocated key; only an output can have one`);
    }
    faults.push(...streamFaults(name, links, link), ...itemsFaults(name, link, links[link]!));
  }
  for (const link of Object.keys(links)) {
    const seen = [link];
    for (
      let at = links[link]!.key?.link;
      at !== undefined && links[at] !== undefined;
      at = links[at]!.key?.link
    ) {
      if (at === link) {
        faults.push(
          `Link ${name}.${link} takes its key from itself, by way of ${
            [...seen, at].join(" -> ")
          }; break the circle`,
        );
      }
      if (seen.includes(at)) break;
      seen.push(at);
    }
  }
  return faults;
}

function streamFaults(name: string, links: Links, link: string): string[] {
  const { stream, key } = links[link]!;
  const of = stream?.of;
  if (key && stream && !of) {
    return [
      `Link ${name}.${link} says which key is the job's, but not which key an item is for; add { of: ... }`,
    ];
  }
  if (of?.kind !== "field") return [];
  const document = itemDocument(links, link, of.link!);
  if (!document) {
    return [
      `Link ${name}.${link} finds items by "${of.label}", but it has no cokeyed repository "${of.link}", and the task no such link`,
    ];
  }
  return document.kind === "metadata"
    ? []
    : [`Link ${name}.${link} finds items by "${of.label}", but ${of.link} holds no documents`];
}

function itemsFaults(name: string, link: string, { items, repository, cokeyed }: Link): string[] {
  if (!items) return [];
  const faults: string[] = [];
  if (repository.kind === "keys") {
    faults.push(
      `Link ${name}.${link} publishes into ${repository.name}, which holds keys only; link the repository that holds the values`,
    );
  }
  if (repository.kind === "filesystem" && items.keys === "content") {
    faults.push(
      `Link ${name}.${link} takes the keys of trees from their content, which only blobs and documents allow; use { keys: "allocated" } or { keys: "name" }`,
    );
  }
  if (items.dropEmpty && repository.kind === "metadata") {
    faults.push(
      `Link ${name}.${link} drops empty items, but ${repository.name} holds documents, which are never empty; leave out { dropEmpty }`,
    );
  }
  if (items.own && repository.kind !== "metadata") {
    faults.push(
      `Link ${name}.${link} adds fields to its items, but ${repository.name} holds no documents; leave out { own }`,
    );
  }
  for (const other of Object.keys(items.values)) {
    if (!Object.hasOwn(cokeyed, other)) {
      faults.push(
        `Link ${name}.${link} makes values for "${other}", but has no cokeyed repository of this name; add it to { cokeyed }`,
      );
    } else if (cokeyed[other]!.kind !== "metadata") {
      faults.push(
        `Link ${name}.${link} makes values for "${other}", but ${cokeyed[other]!.name} holds no documents`,
      );
    }
  }
  return faults;
}
