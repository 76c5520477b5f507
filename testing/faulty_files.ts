/**
 * A file system that fails when it is told to.
 *
 * @module
 */
import { type Files, systemFiles } from "../core/files.ts";

/** Errors of the operating system, as Deno throws them. */
export type FaultKind = "ENOSPC" | "EIO" | "EACCES" | "EROFS" | "ENOENT" | "EMFILE";

/** Options of {@linkcode faultyFiles}. */
export interface FaultOptions {
  /** Which call fails, counted from 1. Left out: none, until {@linkcode FaultyFiles.failAt} says so. */
  readonly at?: number | undefined;
  /** With which error. @default "EIO" */
  readonly kind?: FaultKind | undefined;
  /** From that call on every call fails, as if the process had been killed there. @default false */
  readonly crash?: boolean | undefined;
  /** Which calls are counted, by their name: `rename`, `file.write`. @default all */
  readonly only?: readonly string[] | undefined;
  /** The file system beneath. @default systemFiles */
  readonly files?: Files | undefined;
}

/** A file system that fails when it is told to. */
export interface FaultyFiles extends Files {
  /** How many calls were counted. */
  readonly calls: number;
  /** Their names, in order. */
  readonly log: readonly string[];
  /** Whether the fault has struck. */
  readonly struck: boolean;
  /** Counts anew, and fails at this call; at none when nothing is given. */
  failAt(at?: number): void;
}

const FAULTS: Readonly<Record<FaultKind, () => Error>> = {
  ENOSPC: () => new Error("No space left on device (os error 28)"),
  EIO: () => new Error("Input/output error (os error 5)"),
  EACCES: () => new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
  EROFS: () => new Error("Read-only file system (os error 30)"),
  ENOENT: () => new Deno.errors.NotFound("No such file or directory (os error 2)"),
  EMFILE: () => new Error("Too many open files (os error 24)"),
};

/**
 * An error of the operating system, as Deno throws it.
 *
 * @param kind Which.
 * @returns The error.
 */
export function systemFault(kind: FaultKind): Error {
  return Object.assign(FAULTS[kind](), { code: kind });
}

/**
 * Wraps a file system so that the n-th call fails: a test that does so for every n has seen every way in which an operation can break.
 * Reads, writes and syncs of open files count as calls; closing them always works, as it does when a process is killed.
 *
 * @param options Which call fails, how, and what lies beneath.
 * @returns The file system.
 * @example Every way in which a write can break
 * ```ts
 * import { FileRepository } from "@datatask/datatask";
 * import { faultyFiles } from "@datatask/datatask/testing";
 * import assert from "node:assert/strict";
 *
 * const dir = await Deno.makeTempDir();
 * for (let at = 1, struck = true; struck; at++) {
 *   await new FileRepository(dir).put("one", "old");
 *   const files = faultyFiles({ at, kind: "ENOSPC" });
 *   await new FileRepository(dir, { files }).put("one", "new").catch(() => {});
 *   assert.match(await new FileRepository(dir).text("one"), /^(old|new)$/);
 *   struck = files.struck;
 * }
 * await Deno.remove(dir, { recursive: true });
 * ```
 */
export function faultyFiles(options: FaultOptions = {}): FaultyFiles {
  const beneath = options.files ?? systemFiles;
  const state = new FaultState(options);
  const wrapped: Record<string, unknown> = {};
  for (
    const [name, call] of Object.entries(beneath) as [string, (...args: unknown[]) => Promise<unknown>][]
  ) {
    wrapped[name] = async (...args: unknown[]): Promise<unknown> => {
      state.count(name);
      const result = await call(...args);
      return name === "open" ? faultyFile(result as Deno.FsFile, state) : result;
    };
  }
  return Object.defineProperties(wrapped, {
    calls: { get: () => state.log.length },
    log: { get: () => state.log },
    struck: { get: () => state.struck },
    failAt: { value: (at?: number) => state.reset(at) },
  }) as unknown as FaultyFiles;
}

/** Counts calls, and throws at the one that is to fail. */
class FaultState {
  log: string[] = [];
  struck = false;
  #at: number | undefined;
  readonly #options: FaultOptions;

  constructor(options: FaultOptions) {
    this.#options = options;
    this.#at = options.at;
  }

  reset(at: number | undefined): void {
    this.#at = at;
    this.log = [];
    this.struck = false;
  }

  count(name: string): void {
    const { only, crash, kind } = this.#options;
    if (only && !only.includes(name) && !(crash && this.struck)) return;
    this.log.push(name);
    const strikes = this.#at !== undefined &&
      (crash ? this.log.length >= this.#at : this.log.length === this.#at);
    if (!strikes) return;
    this.struck = true;
    throw systemFault(kind ?? "EIO");
  }
}

/** The calls on an open file that can fail. */
const FILE_CALLS = new Set(["read", "write", "sync", "syncData", "seek", "stat", "truncate", "lock"]);

function faultyFile(file: Deno.FsFile, state: FaultState): Deno.FsFile {
  const proxy: Deno.FsFile = new Proxy(file, {
    get(target, name) {
      // The file's own stream would write past us.
      if (name === "writable") return streamInto(proxy);
      // Read from the file itself: it has private parts that a proxy does not have.
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (!FILE_CALLS.has(String(name))) return value.bind(target);
      return async (...args: unknown[]) => {
        state.count(`file.${String(name)}`);
        return await value.apply(target, args);
      };
    },
  });
  return proxy;
}

function streamInto(file: Deno.FsFile): WritableStream<Uint8Array<ArrayBuffer>> {
  return new WritableStream({
    async write(chunk) {
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
    },
    close: () => file.close(),
    abort: () => file.close(),
  });
}
