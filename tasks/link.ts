/**
 * Links: what a repository means to a task.
 *
 * A link says three things, each with its own word, so that no two can contradict each other: which way the data flows (`input`,
 * `output`, or neither), what must hold before a job starts (present, absent, or no matter), and under which key the job's value is found.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { KeyMapping } from "./key_mapping.ts";
import { isRepository, type Repository } from "../repositories/repository.ts";

/** Which way data flows: into the task, out of it, or (`status`) the task's own bookkeeping; `gate` is for the start only. */
export type Direction = "in" | "out" | "status" | "gate";

/** What must hold of the job's key in the repository before a job starts. */
export type Gate = "present" | "absent" | "any";

/** How a body sees a link to one value: bound to the job (the default), as the document, as the key, or not at all. */
export type View = "bound" | "value" | "key" | "none";

/** How a body sees a link to many values: any of them on demand, those that come while it runs, or those that it publishes while it runs. */
export type ManyView = "lookup" | "stream" | "items";

/**
 * What a repository means to a task. Made by {@linkcode input}, {@linkcode output}, {@linkcode requires}, {@linkcode inhibits}, {@linkcode status},
 * and (many values) by {@linkcode lookup}, {@linkcode stream} and {@linkcode outputs}.
 */
export interface Link<
  R extends Repository = Repository,
  D extends Direction = Direction,
  V extends View | ManyView = View | ManyView,
  C extends Readonly<Record<string, Repository>> = Readonly<Record<string, Repository>>,
> {
  /** The repository. */
  readonly repository: R;
  /** Which way data flows. */
  readonly direction: D;
  /** What must hold before a job starts. */
  readonly start: Gate;
  /** For outputs: a job that ends without this key has failed. */
  readonly expected: boolean;
  /**
   * Whether the success of whoever writes is waited for: for outputs, by the tasks that read this; for inputs, by this task.
   * `false` for data that may be used while it grows.
   */
  readonly gated: boolean;
  /** How a body sees it. */
  readonly view: V;
  /** Which key is the job's, when it is not the job itself. */
  readonly key: KeyMapping | undefined;
  /** More repositories whose values go under the same key. */
  readonly cokeyed: C;
  /** For streaming inputs: which items come. */
  readonly stream?: StreamPlan | undefined;
  /** For streaming outputs: how items are named, and what is added to them. */
  readonly items?: ItemsPlan | undefined;
}

/** Which items a streaming input brings. */
export interface StreamPlan {
  /** Which key an item is for; it comes to the job that has this key. Nothing: every item comes to every job. */
  readonly of: KeyMapping | undefined;
  /** Whether a job starts only when there is an item for it. */
  readonly first: boolean;
}

/** How the items of a streaming output get their keys. */
export type ItemKeys = "allocated" | "name" | "content";

/** What automatic values are made from. */
export interface ItemContext {
  /** The job that publishes. */
  readonly job: Key;
  /** The task. */
  readonly task: string;
  /** Which attempt. */
  readonly attempt: number;
  /** What the body calls the item; its key where the body does not say. */
  readonly name: string;
  /** The key that it is published under. */
  readonly key: Key;
}

/** Makes an automatic value. */
export type AutomaticValue = (item: ItemContext) => unknown;

/** How a streaming output publishes its items. */
export interface ItemsPlan {
  /** How they get their keys. */
  readonly keys: ItemKeys;
  /** Merged with the documents of the items themselves. */
  readonly own: AutomaticValue | undefined;
  /** Merged with cokeyed documents, by the name of the repository. */
  readonly values: Readonly<Record<string, AutomaticValue>>;
  /** Whether items without anything in them are not published. */
  readonly dropEmpty: boolean;
}

/** Links by name. */
export type Links = Readonly<Record<string, Link>>;

/** Which key is the job's: a mapping made by `field()` or `allocated()`, or a function of the job. */
export type KeyInit = KeyMapping | ((job: Key) => Key | undefined | Promise<Key | undefined>);

/** Options that all links take. */
export interface LinkOptions {
  /** Which key is the job's, when it is not the job itself: a function, `field("link.path")`, or `allocated()`. */
  readonly key?: KeyInit;
}

/** Options of {@linkcode input}. */
export interface InputOptions extends LinkOptions {
  /** Whether a job waits for the value to be there. Default: `true`. */
  readonly required?: boolean;
  /** Whether it waits for the task that makes the value: for its success, or, when the value is not required, for its end. Default: `true`. */
  readonly gated?: boolean;
  /** How the body sees it. Default: bound to the job. */
  readonly as?: View;
}

/** Options of {@linkcode requires}. */
export interface RequiresOptions extends LinkOptions {
  /** Whether a job waits for the success of the task that puts the key there. Default: `true`. */
  readonly gated?: boolean;
}

/** Options of {@linkcode output}. */
export interface OutputOptions extends LinkOptions {
  /** Whether a job that ends without this value has failed. Default: `true`. */
  readonly required?: boolean;
  /** Whether a value that is already there keeps the job from starting. Default: `false`. */
  readonly once?: boolean;
  /** Whether tasks that read this wait for the job's success. Default: `true`. */
  readonly gated?: boolean;
  /** How the body sees it. Default: bound to the job. */
  readonly as?: View;
  /** More repositories whose values go under the same key, by name. */
  readonly cokeyed?: Readonly<Record<string, Repository>>;
}

/** The mapping that was meant. */
export function mapping(key: KeyInit | undefined): KeyMapping | undefined {
  return typeof key === "function" ? { kind: "function", label: key.name || "function", map: key } : key;
}

/**
 * A repository that the task reads. A job waits until its key is there and whoever makes it has succeeded.
 *
 * @param repository Which.
 * @param options Whether it must be there, under which key, and how the body sees it.
 * @returns The link.
 */
export function input<R extends Repository>(
  repository: R,
  options?: InputOptions & { readonly as?: "bound" },
): Link<R, "in", "bound", Record<never, never>>;
/** A repository that the task reads, seen in another way than bound to the job. */
export function input<R extends Repository, V extends View>(
  repository: R,
  options: InputOptions & { readonly as: V },
): Link<R, "in", V, Record<never, never>>;
export function input(repository: Repository, options: InputOptions = {}): Link {
  return {
    repository: checked(repository, "input"),
    direction: "in",
    start: options.required === false ? "any" : "present",
    expected: false,
    gated: options.gated ?? true,
    view: options.as ?? "bound",
    key: mapping(options.key),
    cokeyed: {},
  };
}

/**
 * A repository that the task writes.
 *
 * @param repository Which.
 * @param options Whether the value must be there in the end, under which key, and how the body sees it.
 * @returns The link.
 */
export function output<R extends Repository>(
  repository: R,
  options?: OutputOptions & { readonly as?: "bound"; readonly cokeyed?: never },
): Link<R, "out", "bound", Record<never, never>>;
/** A repository that the task writes, with others whose values go under the same key. */
export function output<R extends Repository, C extends Readonly<Record<string, Repository>>>(
  repository: R,
  options: OutputOptions & { readonly as?: "bound"; readonly cokeyed: C },
): Link<R, "out", "bound", C>;
/** A repository that the task writes, seen in another way than bound to the job. */
export function output<R extends Repository, V extends View>(
  repository: R,
  options: OutputOptions & { readonly as: V; readonly cokeyed?: never },
): Link<R, "out", V, Record<never, never>>;
export function output(repository: Repository, options: OutputOptions = {}): Link {
  return {
    repository: checked(repository, "output"),
    direction: "out",
    start: options.once ? "absent" : "any",
    expected: options.required ?? true,
    gated: options.gated ?? true,
    view: options.as ?? "bound",
    key: mapping(options.key),
    cokeyed: options.cokeyed ?? {},
  };
}

/** What was given as a repository, when it is one: modules that import each other in a circle give `undefined`. */
export function checked<R extends Repository>(repository: R, by: string): R {
  if (isRepository(repository)) return repository;
  const given = repository === undefined || repository === null
    ? String(repository)
    : typeof repository === "object"
    ? "an object"
    : `a ${typeof repository}`;
  throw new DefinitionError(
    `${by}(...) was given ${given} in place of a repository; see that it is made before the task that links it`,
  );
}

function gate(
  repository: Repository,
  start: Gate,
  options: RequiresOptions,
): Link<Repository, "gate", "none", Record<never, never>> {
  return {
    repository: checked(repository, start === "present" ? "requires" : "inhibits"),
    direction: "gate",
    start,
    expected: false,
    gated: options.gated ?? true,
    view: "none",
    key: mapping(options.key),
    cokeyed: {},
  };
}

/**
 * A repository that must have the job's key before it starts, and that the body does not see.
 *
 * @param repository Which.
 * @param options Under which key, and whether whoever puts it there must have succeeded.
 * @returns The link.
 */
export function requires<R extends Repository>(
  repository: R,
  options: RequiresOptions = {},
): Link<Repository, "gate", "none", Record<never, never>> {
  return gate(repository, "present", options);
}

/**
 * A repository that must not have the job's key before it starts.
 *
 * @param repository Which.
 * @param options Under which key.
 * @returns The link.
 */
export function inhibits<R extends Repository>(
  repository: R,
  options: LinkOptions = {},
): Link<Repository, "gate", "none", Record<never, never>> {
  return gate(repository, "absent", options);
}

/**
 * The task's own bookkeeping: shown by `status`, deleted with the job, and seen by the body, but no reason to start or to wait.
 *
 * @param repository Which.
 * @param options Under which key.
 * @returns The link.
 */
export function status<R extends Repository>(
  repository: R,
  options: LinkOptions = {},
): Link<R, "status", "bound", Record<never, never>> {
  return {
    repository: checked(repository, "status"),
    direction: "status",
    start: "any",
    expected: false,
    gated: false,
    view: "bound",
    key: mapping(options.key),
    cokeyed: {},
  };
}
