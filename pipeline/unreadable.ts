/**
 * Keys of which it cannot be known whether a view has them, since a value that would say so is damaged.
 *
 * @module
 */
import type { KeyDriver } from "../repositories/driver.ts";
import { Repository } from "../repositories/repository.ts";
import { allOf, anyOf, butNot } from "./derived_set.ts";
import type { LiveSet, ObservedKeys } from "./observed.ts";

/** Who observes repositories. */
export interface Observing {
  /** The keys of a repository. */
  observe(repository: Repository): LiveSet;
  /** The store that a repository is, when it is listed by itself. */
  leaf(repository: Repository): ObservedKeys | undefined;
}

/** Whether values are read in order to list. */
function isReading({ derived }: KeyDriver): boolean {
  return derived !== undefined &&
    (derived.by === "opaque" || derived.by === "pointwise" || derived.parts.some(isReading));
}

/**
 * The keys of which it cannot be known whether a repository has them. In a view of several it is known when the others decide it.
 *
 * @param repository Which.
 * @param observer Who observes it.
 * @returns Those keys, followed from now on; nothing when that cannot happen.
 */
export function unreadableIn(repository: Repository, observer: Observing): LiveSet | undefined {
  const { driver } = repository;
  if (!isReading(driver)) return undefined;
  const known = observer.observe(repository);
  const leaf = observer.leaf(repository);
  if (leaf) return leaf.unreadable;
  const { by, parts: drivers } = driver.derived!;
  const parts = drivers.map((part) => new Repository(part));
  const open = (part: Repository): LiveSet[] => {
    const unreadable = unreadableIn(part, observer);
    return unreadable ? [unreadable] : [];
  };
  const possible = (part: Repository): LiveSet => anyOf([observer.observe(part), ...open(part)]);
  const [first, ...others] = parts;
  if (by === "same") return unreadableIn(first!, observer);
  if (by === "and") return butNot(allOf(parts.map(possible)), [known]);
  if (by === "or") return butNot(anyOf(parts.flatMap(open)), [known]);
  const surely = others.map((other) => observer.observe(other));
  const maybe = butNot(possible(first!), surely);
  return butNot(maybe, [butNot(observer.observe(first!), [...surely, ...others.flatMap(open)])]);
}
