/**
 * What a body that was carried somewhere finds beside it: who it is, where its values lie, and how to speak to the agent about the others.
 *
 * @module
 */
import type { Quota } from "../../core/quota.ts";
import type { RepositoryKind } from "../../repositories/repository.ts";
import type { ItemKeys } from "../link.ts";

/** A value at a path. */
export interface CarriedValue {
  readonly kind: RepositoryKind;
  readonly direction: "in" | "out";
  /** What errors call the repository. */
  readonly repository: string;
  readonly path: string;
  readonly key: string;
  /** Values under the same key. */
  readonly cokeyed: Readonly<Record<string, CarriedValue>>;
}

/** A repository whose values are asked for at the agent. */
export interface CarriedRepository {
  readonly kind: RepositoryKind;
  /** What errors call it. */
  readonly repository: string;
}

/** Many values, which come and go while the body runs. */
export interface CarriedMany extends CarriedRepository {
  readonly view: "lookup" | "stream" | "items";
  /** Repositories with values under the same keys. */
  readonly cokeyed: Readonly<Record<string, CarriedRepository>>;
  /** How items that are published get their keys. */
  readonly keys: ItemKeys | undefined;
}

/** A document or a key, itself. */
export interface CarriedItself {
  /** As `documents` writes it, in Base64. */
  readonly document: string;
}

/** A link as it is carried. */
export type CarriedLink = CarriedValue | CarriedMany | CarriedItself;

/** How to speak to the agent. */
export interface CarriedAgent {
  /** What comes after its address. */
  readonly path: string;
  readonly token: string;
  /** Tells the last words about the agent from those of the body. */
  readonly mark: string;
  /** How long the agent is waited for, in milliseconds. */
  readonly patienceMs: number;
  /** The file that holds its address at any time, where that may change. */
  readonly file?: string | undefined;
}

/** What a body finds beside it. */
export interface CarriedContext {
  readonly job: string;
  readonly task: string;
  readonly attempt: number;
  readonly replica: number;
  readonly quota: Quota;
  readonly links: Readonly<Record<string, CarriedLink>>;
  /** There when links need it. */
  readonly agent?: CarriedAgent | undefined;
}
