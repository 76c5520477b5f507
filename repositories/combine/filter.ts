/**
 * The combinator that keeps some keys of a repository.
 *
 * @module
 */
import type { KeyDriver } from "../driver.ts";
import { keeping, type ViewOptions } from "../layers/keeping.ts";
import type { KeyTest } from "../layers/wrap.ts";
import { Repository } from "../repository.ts";
import type { AnyRepository, ViewOf } from "./view.ts";

/**
 * A repository with those keys only that pass a test: the layer `keeping`, put over it. It is written and deleted through it, as far
 * as keys pass, and `watch` tells of keys that pass.
 *
 * @param repository Which repository.
 * @param predicate Which keys to keep.
 * @param options How the view is called.
 * @returns A repository of the same kind.
 */
export function filter<R extends AnyRepository>(
  repository: R,
  predicate: KeyTest,
  options: ViewOptions = {},
): ViewOf<R> {
  const layer = keeping(predicate, { name: `filter(${repository.name})`, ...options });
  const layered = repository as AnyRepository & { with?(with_: typeof layer): AnyRepository };
  return (layered.with?.(layer) ?? new Repository(layer(repository.driver as KeyDriver))) as ViewOf<R>;
}
