/**
 * A resource of a session: a client or a connection that is there while the session is open.
 *
 * @module
 */

/** Gives the resource while its session is open. Made by {@linkcode Session.resource}. */
export interface Resource<T = unknown> {
  /**
   * The resource.
   *
   * @throws {SessionError} With code `session-closed` while it is not open, `resource-failed` when it is optional and did not open.
   */
  (): T;
  /** What errors call it. */
  readonly resourceName: string;
}

/** Gives another resource to an opener: one that it declared under `needs`. */
export type UseResource = <T>(resource: Resource<T>) => T;

/**
 * Opens a resource.
 *
 * @param stack Takes what must be closed, as soon as it is open: `stack.use(...)`, `stack.defer(...)`. It is closed also when opening fails.
 * @param signal Aborted when the opening is called off: another resource failed, or nobody waits for it any more.
 * @param use Gives the resources declared under `needs`.
 * @returns What the resource gives while the session is open.
 */
export type OpenResource<T> = (
  stack: AsyncDisposableStack,
  signal: AbortSignal,
  use: UseResource,
) => T | Promise<T>;

/** How a resource is declared. */
export interface ResourceOptions {
  /** The session opens without it when it fails; using it then throws and says why. Default: false. */
  readonly optional?: boolean | undefined;
  /** What must be open before it, by resource or by name; those may be declared later. */
  readonly needs?: readonly (Resource | string)[] | undefined;
}

/** A resource as its session keeps it. */
export interface Declared {
  /** What errors call it. */
  readonly name: string;
  /** What gives it to its users. */
  readonly resource: Resource;
  /** Opens it. */
  readonly open: OpenResource<unknown>;
  /** Whether the session opens without it. */
  readonly optional: boolean;
  /** The names of what must be open before it. */
  readonly needs: readonly string[];
}
