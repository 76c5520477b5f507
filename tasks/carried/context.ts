/**
 * What a body that was carried somewhere finds beside it: who it is, and where its values lie.
 *
 * @module
 */
import type { Quota } from "../../core/quota.ts";

/** A link as it is carried. */
export type CarriedLink =
  /** A value at a path. */
  | {
    readonly kind: "blob" | "metadata" | "filesystem" | "keys";
    readonly direction: "in" | "out";
    /** What errors call the repository. */
    readonly repository: string;
    readonly path: string;
    readonly key: string;
    /** Values under the same key. */
    readonly cokeyed: Readonly<Record<string, CarriedLink>>;
  }
  /** A document or a key, itself. */
  | { readonly kind: "itself"; readonly value: unknown };

/** What a body finds beside it. */
export interface CarriedContext {
  readonly job: string;
  readonly task: string;
  readonly attempt: number;
  readonly replica: number;
  readonly quota: Quota;
  readonly links: Readonly<Record<string, CarriedLink>>;
}
