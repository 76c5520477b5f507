/**
 * The contract between what runs attempts and the agent: a server on this machine, through which work that does not see our files reads its inputs and
 * brings its outputs. The agent keeps nothing; what an attempt may do is what it was admitted with.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Bytes } from "../core/bytes.ts";
import type { Codec } from "../core/codec.ts";
import type { Key } from "../core/key.ts";
import type { AgentServer, RunFiles } from "../executors/executor.ts";
import type { Repository } from "../repositories/repository.ts";
import type { KeyFeed } from "./runner.ts";

/** The header of answers in which an agent says its name: what answers without it is somebody else. */
export const AGENT_HEADER = "X-Datatask-Agent";

/** What an attempt may read under the name of a link. */
export type GrantedInput =
  /** One value. */
  | { readonly kind: "value"; readonly repository: Repository; readonly key: Key }
  /** Any value of a repository, by its key. */
  | { readonly kind: "lookup"; readonly repository: Repository }
  /** Values that come while the attempt runs, each key once; it ends when no more can come. */
  | {
    readonly kind: "feed";
    readonly repository: Repository;
    readonly keys: (signal: AbortSignal) => KeyFeed;
  };

/** One of many values that an attempt publishes while it runs. */
export interface GrantedItem {
  /** What the worker calls it; the same name again is the same item. Nothing: it is called by what it holds. */
  readonly name: string | undefined;
  /** The content: a file of the agent, or (`tree`) a folder. It is removed when this was published, and also when it could not be. */
  readonly path: string;
  /** The values that go under the same key, likewise, by the name of the cokeyed repository. They stay for when the item is sent again. */
  readonly cokeyed: Readonly<Record<string, string>>;
}

/** What an attempt may write under the name of a link. */
export type GrantedOutput =
  /** One value, put at a path of this machine: a file, or (`tree`) a folder. It is published from there when the attempt has succeeded. */
  | { readonly kind: "file"; readonly path: string; readonly tree: boolean }
  /** Many values, published one at a time while the attempt runs. */
  | {
    readonly kind: "items";
    /** Whether an item is a tree. */
    readonly tree: boolean;
    /** The cokeyed repositories by their names, and whether a value of theirs is a tree. */
    readonly cokeyed: Readonly<Record<string, { readonly tree: boolean }>>;
    /** Publishes one; resolves with its key, or with nothing when it was empty and such are dropped. Called again for a name, never twice at a time, it publishes that item again under the same key. */
    readonly publish: (item: GrantedItem, signal: AbortSignal) => Promise<Key | undefined>;
  };

/** What one attempt may do through the agent. */
export interface Grant {
  /** Which attempt. */
  readonly attempt: Attempt;
  /** How documents become bytes and back. */
  readonly documents: Codec;
  /** What it may read, by the name of the link. */
  readonly inputs: ReadonlyMap<string, GrantedInput>;
  /** What it may write, by the name of the link; `reports.index` is the cokeyed `index` of `reports`. */
  readonly outputs: ReadonlyMap<string, GrantedOutput>;
  /** What else it may fetch: the modules of its body, by their path. Default: nothing. */
  readonly files?: ((path: string) => Promise<Bytes | undefined>) | undefined;
  /** Copies large values from and to the place of its worker, when the worker asks for it. Default: nobody does, and the worker sends and takes them. */
  readonly runFiles?: RunFiles | undefined;
}

/** An attempt that was let in. */
export interface Admission {
  /** Opens what was granted, and nothing else. The same for every coordinator with the same state folder. No one else may see it. */
  readonly token: string;
  /** What comes after the address of the agent in each request of this attempt: `/3f2a…`. */
  readonly path: string;
  /** Where the agent listens. */
  readonly server: AgentServer;
  /** Whether its worker has asked for anything since it was let in first. */
  reached(): boolean;
  /** Shuts the attempt out: its token opens nothing any more. Resolves when the requests under way have ended. */
  leave(): Promise<void>;
}

/** The agent, as runners see it. */
export interface Agent {
  /**
   * Lets an attempt in. An attempt that is in already is let in again, with the new grant.
   *
   * @param grant What it may do.
   * @returns What its worker needs to know.
   */
  admit(grant: Grant): Promise<Admission>;
}

/**
 * Where an upload lies until it is whole: beside the place that it is for.
 *
 * @param path That place.
 * @returns The path of a file.
 */
export function partOf(path: string): string {
  const at = path.lastIndexOf("/") + 1;
  return `${path.slice(0, at)}.${path.slice(at)}.part`;
}
