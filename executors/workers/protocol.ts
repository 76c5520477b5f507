/**
 * What a worker and its pool say to each other.
 *
 * @module
 */
import type { StopReason } from "../../core/attempt.ts";
import type { Bytes } from "../../core/bytes.ts";
import type { PeerMessage } from "./peer.ts";

/** What the pool says. `n` is the number of the run. */
export type ToWorker =
  /** Runs the body. `mark` is written to standard output when it is over, so that its last lines are known to be its last. */
  | { readonly k: "run"; readonly n: number; readonly mark: string; readonly context: unknown }
  /** The run shall end. */
  | { readonly k: "stop"; readonly n: number; readonly why: StopReason | undefined }
  | (PeerMessage & { readonly n: number });

/** What the worker says. */
export type FromWorker =
  /** It is there, and its module is loaded. */
  | { readonly k: "ready" }
  /** Its module cannot be used. */
  | { readonly k: "unusable"; readonly error: unknown }
  /** The body has begun. */
  | { readonly k: "begun"; readonly n: number }
  /** The run is over. `again` tells whether the worker is fit for another, `rss` how many bytes it holds. */
  | {
    readonly k: "end";
    readonly n: number;
    readonly error?: unknown;
    readonly marked: boolean;
    readonly again: boolean;
    readonly rss: number;
  }
  /** A line for the log, where there is no standard output of the worker's own. */
  | { readonly k: "log"; readonly line: string }
  | (PeerMessage & { readonly n: number });

/** A message with its bytes. */
export interface Received<T> {
  /** What was said. */
  readonly message: T;
  /** The bytes that belong to it. */
  readonly parts: readonly Bytes[];
}

/** One end of the line between a worker and its pool. */
export interface Wire<In, Out> {
  /** Sends a message. Messages arrive in order; when the line is gone, they do not. */
  send(message: Out, parts?: readonly Uint8Array[]): void;
  /** What the other end says; it ends with the line. */
  readonly received: AsyncIterable<Received<In>>;
  /** Resolves when all that was sent is on its way. */
  flushed(): Promise<void>;
  /** Gives the line back. */
  close(): void;
}
