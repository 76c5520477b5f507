/**
 * The lease of a pipeline: one coordinator at a time. The operating system gives it back when its holder dies, however it dies.
 *
 * @module
 */
import { advice, classifySystemError, DatataskError, describeError } from "../core/errors.ts";
import { sleep, systemClock } from "../core/clock.ts";
import { hostName } from "../core/host.ts";
import type { LeaseHolder } from "./events.ts";

/** How often a waiting coordinator asks again, in milliseconds. */
const RETRY_MS = 250;

/** Somebody who only looks holds the lock for an instant: so many tries, so far apart, tell them from a coordinator. */
const TRIES = 5;
const TRY_MS = 20;

const encoder = new TextEncoder();

/** A lease that is held. Disposing of it gives it back. */
export interface Lease extends AsyncDisposable {
  /** Who holds it: this process. */
  readonly holder: LeaseHolder;
  /** Whether the holder before has left in order. */
  readonly clean: boolean;
  /** Whether its file is still the one of that name: where the folder was removed, somebody else can take a lease of the same name. */
  stands(): boolean;
}

/** How to take a lease. */
export interface LeaseOptions {
  /** What to do when somebody else holds it. */
  readonly whenHeld: "fail" | "wait";
  /** Told who holds it, once, before waiting. */
  readonly onWait?: ((holder: LeaseHolder) => void) | undefined;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

type Content = LeaseHolder | { readonly released: true };

async function read(path: string): Promise<Content | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path)) as Content;
  } catch {
    return undefined;
  }
}

function isReleased(content: Content | undefined): boolean {
  return content !== undefined && "released" in content;
}

async function readHolder(path: string): Promise<LeaseHolder | undefined> {
  const content = await read(path);
  return content !== undefined && "pid" in content ? content : undefined;
}

/** Whether an open file is the one of a name. */
function isNamed(file: Deno.FsFile, path: string): boolean {
  try {
    const [held, named] = [file.statSync(), Deno.statSync(path)];
    return held.ino === named.ino && held.dev === named.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Opens the file and locks it, when nobody else has; sees to it that it is still the file of that name. */
async function tryTake(path: string): Promise<Deno.FsFile | undefined> {
  const file = await Deno.open(path, { read: true, write: true, create: true });
  try {
    if (await file.tryLock(true)) {
      if (isNamed(file, path)) return file;
    }
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return undefined;
}

/** Who holds a lease, as a person would say it. */
export function describeHolder(holder: LeaseHolder | undefined): string {
  if (!holder) return "another process";
  return `process ${holder.pid} on ${holder.host}, since ${holder.since} (${holder.command})`;
}

/**
 * Takes the lease.
 *
 * @param path The file that stands for it; its folder must be there.
 * @param options What to do when somebody else holds it.
 * @returns The lease.
 * @throws {DatataskError} With code `lease-held` when somebody else holds it and `whenHeld` is `fail`.
 */
export async function takeLease(path: string, options: LeaseOptions): Promise<Lease> {
  let told = false;
  for (let tries = 1;; tries++) {
    try {
      const file = await tryTake(path);
      if (file) return await held(file, path, isReleased(await read(path)));
    } catch (error) {
      const full = classifySystemError(error) === "no-space";
      throw new DatataskError(
        full ? "no-space" : "io",
        `Cannot take the lease at ${path}: ${describeError(error)}${
          full ? advice("no-space") : "; check that the folder can be written"
        }`,
        {
          operation: "take the lease",
          cause: error,
        },
      );
    }
    if (tries < TRIES) {
      await sleep(systemClock, TRY_MS, options.signal);
      continue;
    }
    const holder = await readHolder(path);
    if (options.whenHeld === "fail") {
      throw new DatataskError(
        "lease-held",
        `Cannot run: the pipeline is already being run by ${
          describeHolder(holder)
        }; wait until it has ended, or stop it first`,
        { operation: "take the lease" },
      );
    }
    if (!told && holder) options.onWait?.(holder);
    told ||= holder !== undefined;
    await sleep(systemClock, RETRY_MS, options.signal);
  }
}

/** What a holder leaves that has left in order. */
const RELEASED = encoder.encode('{"released":true}\n');

async function write(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  await file.truncate(0);
  await file.seek(0, Deno.SeekMode.Start);
  await file.write(bytes);
}

async function held(file: Deno.FsFile, path: string, clean: boolean): Promise<Lease> {
  const holder: LeaseHolder = {
    pid: Deno.pid,
    host: hostName(),
    since: new Date().toISOString(),
    command: Deno.mainModule.replace(/^file:\/\//, ""),
  };
  try {
    await write(file, encoder.encode(JSON.stringify(holder) + "\n"));
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    holder,
    clean,
    stands: () => isNamed(file, path),
    async [Symbol.asyncDispose]() {
      try {
        await write(file, RELEASED);
      } catch {
        // On a full disk: the next holder looks for what was left, and finds nothing.
      } finally {
        file.close();
      }
    },
  };
}

/**
 * Who holds the lease now.
 *
 * @param path The file that stands for it.
 * @returns Who, or nothing.
 */
export async function leaseHolder(path: string): Promise<LeaseHolder | undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true });
  } catch {
    return undefined;
  }
  try {
    return await file.tryLock(false) ? undefined : await readHolder(path);
  } finally {
    file.close();
  }
}
