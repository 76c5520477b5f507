/**
 * The combinator that writes to one repository and reads from others too.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { BlobRepository } from "../blob.ts";
import type { OperationOptions } from "../driver.ts";
import type { FilesystemRepository } from "../filesystem.ts";
import type { MetadataRepository } from "../metadata.ts";
import { commonKind, firstWith, unionPages } from "./or.ts";
import { type AnyRepository, identitiesOf, namesOf, refusal, view } from "./view.ts";
import { watchParts } from "./watch_parts.ts";

/**
 * The keys of all of some repositories, each with the value of the first that has it. Values are written to the first, and hide those
 * below. Deleting removes a value from the first; it is refused for a key that lies further down too, since that would come to light.
 * Where all can tell of changes, `watch` tells of them, with what `has` says then.
 *
 * @param top What is written.
 * @param below What shows through, in order.
 * @returns A repository of their kind.
 */
export function overlay(top: BlobRepository, ...below: BlobRepository[]): BlobRepository;
/** Documents: see the first form. */
export function overlay<T>(
  top: MetadataRepository<T>,
  ...below: MetadataRepository<T>[]
): MetadataRepository<T>;
/** Trees of files: see the first form. */
export function overlay(top: FilesystemRepository, ...below: FilesystemRepository[]): FilesystemRepository;
export function overlay(top: AnyRepository, ...below: AnyRepository[]): AnyRepository {
  const parts = [top, ...below];
  const name = `overlay(${namesOf(parts)})`;
  const locate = (key: Key, options?: OperationOptions) => firstWith(parts, key, options);
  return view<AnyRepository>(commonKind(parts), {
    name,
    identity: `overlay(${identitiesOf(parts)})`,
    by: "or",
    parts,
    over: (others) => overlay(...others as [BlobRepository, ...BlobRepository[]]),
    locate,
    keys: (options) => unionPages(parts, options),
    watch: watchParts(parts, async (key, options) => await locate(key, options) !== undefined),
    async writesTo(key, purpose, options) {
      const lower = purpose === "delete" ? await firstWith(below, key, options) : undefined;
      if (!lower) return { repository: top, key };
      const where = lower.repository.name;
      throw refusal({ name }, "delete", key, `it lies in ${where}, which is only read here; delete it there`);
    },
  });
}
