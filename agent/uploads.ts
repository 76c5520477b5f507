/**
 * Uploads: bytes into a file beside the place that they are for, continued where they broke off, also by the next coordinator.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Bytes } from "../core/bytes.ts";
import { classifySystemError } from "../core/errors.ts";
import type { Grant } from "../tasks/agent.ts";
import { copyFrom, fileIn } from "./copies.ts";
import type { Exchange } from "./exchange.ts";
import { removeAll, sizeOf } from "./files.ts";
import { parseContentRange } from "./ranges.ts";
import { Refusal } from "./refusal.ts";

/** The header that says how much of an unfinished upload is there, in bytes. */
const RECEIVED = "X-Datatask-Received";

/** What an upload says of itself. */
interface Announced {
  /** Where it goes on, in bytes. */
  readonly start: number;
  /** Where this part ends, where it says so. */
  readonly end: number | undefined;
  /** How long the whole is, where it says so. */
  readonly total: number | undefined;
  /** Whether it is a part. */
  readonly partial: boolean;
  /** SHA-256 of the whole, in hex. */
  readonly sha256: string | undefined;
  /** The file of the worker that it is to be copied from, when it does not come as the body. */
  readonly file?: string | undefined;
}

/** One upload under way. */
interface Claim {
  readonly exchange: Exchange;
  readonly done: Promise<void>;
  /** When something came last; `Infinity` once all is there. */
  moved: number;
}

/** The uploads of an agent. */
export class Uploads {
  readonly #limit: number;
  readonly #quietMs: number;
  readonly #claims = new Map<string, Claim>();

  /**
   * @param limit The longest upload, in bytes.
   * @param quietMs For so long after it has moved an upload keeps others of the same value out, in milliseconds.
   */
  constructor(limit: number, quietMs: number) {
    this.#limit = limit;
    this.#quietMs = quietMs;
  }

  /**
   * Says how much of an unfinished upload is there.
   *
   * @param exchange The request.
   * @param partial The file of the upload.
   */
  async tell(exchange: Exchange, partial: string): Promise<void> {
    exchange.text(200, "", { [RECEIVED]: String((await sizeOf(partial)) ?? 0) });
  }

  /**
   * Takes an upload, or a part of one.
   *
   * @param exchange The request.
   * @param grant What its attempt may do.
   * @param partial The file of the upload.
   * @param finish Called when all of it is there, with nobody else at the same value; takes the file away.
   * @returns Whether all of it is there.
   */
  async take(
    exchange: Exchange,
    grant: Grant,
    partial: string,
    finish: () => Promise<void>,
  ): Promise<boolean> {
    const announced = announce(exchange);
    this.#check(announced);
    const { claim, release } = await this.#claim(exchange, partial);
    const { start, file } = announced;
    const content = file === undefined
      ? exchange.body(this.#limit - start, () => this.#tooLong())
      : copyFrom(exchange, grant, file, announced);
    try {
      if (!await this.#receive(content, partial, announced, claim)) return false;
      claim.moved = Infinity;
      await finish();
      return true;
    } finally {
      release();
    }
  }

  #check({ end, total }: Announced): void {
    if (Math.max(end ?? 0, total ?? 0) > this.#limit) throw this.#tooLong();
  }

  #tooLong(): Refusal {
    return new Refusal(
      413,
      `The upload is refused: it is longer than ${this.#limit} bytes; write less, or raise { agent: { maxUploadBytes } } of the pipeline`,
    );
  }

  /** One upload of a value at a time. One that has stood still is taken for broken: its client has come back. */
  async #claim(exchange: Exchange, partial: string): Promise<{ claim: Claim; release: () => void }> {
    for (let other = this.#claims.get(partial); other; other = this.#claims.get(partial)) {
      if (performance.now() - other.moved < this.#quietMs) {
        throw new Refusal(409, "The same value is being uploaded already; try again when that has ended", {
          "Retry-After": "5",
        });
      }
      other.exchange.abort(new Refusal(409, "The upload is ended: another one of the same value has begun"));
      await other.done;
    }
    exchange.signal.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<void>();
    const claim: Claim = { exchange, done: promise, moved: performance.now() };
    this.#claims.set(partial, claim);
    const release = (): void => {
      this.#claims.delete(partial);
      resolve();
    };
    return { claim, release };
  }

  async #receive(
    content: AsyncIterable<Bytes>,
    partial: string,
    announced: Announced,
    claim: Claim,
  ): Promise<boolean> {
    const { start, end, total, sha256 } = announced;
    const file = await openAt(partial, start);
    const hash = sha256 === undefined || start > 0 ? undefined : createHash("sha256");
    let at = start;
    let writing: Promise<void> | undefined;
    try {
      for await (const chunk of content) {
        await writing;
        claim.moved = performance.now();
        writing = writeAll(file, chunk);
        writing.catch(() => {});
        hash?.update(chunk);
        at += chunk.length;
      }
    } catch (error) {
      await writing?.catch(() => {});
      file.close();
      // What is too long or does not fit is of no use to anybody. The rest can be continued.
      if ((error as Partial<Refusal>).status === 413 || isFull(error)) await removeAll(partial);
      throw error;
    }
    try {
      await writing;
    } catch (error) {
      if (isFull(error)) await removeAll(partial);
      throw error;
    } finally {
      file.close();
    }
    if (announced.file === undefined && end !== undefined && at !== end) {
      throw new Refusal(
        400,
        `The upload is refused: it has ${at - start} bytes, and says it has ${end - start}`,
      );
    }
    if (announced.partial && at !== total) return false;
    if (sha256 !== undefined) await verify(partial, sha256, hash?.digest("hex") ?? await digestOf(partial));
    return true;
  }
}

/** Reads what an upload says of itself. */
function announce(exchange: Exchange): Announced {
  const length = exchange.header("content-length");
  const range = exchange.header("content-range");
  const sha256 = exchange.header("x-datatask-sha256")?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new Refusal(400, "The upload is refused: X-Datatask-Sha256 is no SHA-256 in hex");
  }
  const size = length === undefined ? undefined : Number(length);
  const file = fileIn(exchange);
  if (file !== undefined) return { ...announceCopy(range, size), sha256, file };
  if (range === undefined) return { start: 0, end: size, total: size, partial: false, sha256 };
  const parsed = parseContentRange(range);
  if (!parsed) {
    throw new Refusal(400, `The upload is refused: cannot read Content-Range; write "bytes 100-199/1000"`);
  }
  const { start, end, total } = parsed;
  if (size !== undefined && size !== end - start) {
    throw new Refusal(400, "The upload is refused: Content-Range and Content-Length do not agree");
  }
  return { start, end, total, partial: true, sha256 };
}

/** Reads what a copy says of itself: all that is to come, and no body. */
function announceCopy(
  range: string | undefined,
  size: number | undefined,
): Omit<Announced, "sha256" | "file"> {
  const parsed = range === undefined ? undefined : parseContentRange(range);
  if (!parsed || parsed.end !== parsed.total || size !== 0) {
    throw new Refusal(
      400,
      `The upload is refused: a file to be copied takes no body, and Content-Range up to the end: "bytes 100-999/1000"`,
    );
  }
  return { ...parsed, partial: true };
}

/** Opens the file of an upload where it goes on. */
async function openAt(partial: string, start: number): Promise<Deno.FsFile> {
  const options = { write: true, create: true, mode: 0o600 };
  let file: Deno.FsFile;
  try {
    file = await Deno.open(partial, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(partial.slice(0, partial.lastIndexOf("/")), { recursive: true, mode: 0o700 });
    file = await Deno.open(partial, options);
  }
  try {
    const { size } = await file.stat();
    if (start > size) {
      throw new Refusal(
        416,
        `The upload is refused: it goes on at ${start}, but only ${size} bytes are here`,
        {
          [RECEIVED]: String(size),
        },
      );
    }
    await file.truncate(start);
    await file.seek(start, Deno.SeekMode.Start);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(at === 0 ? bytes : bytes.subarray(at));
}

async function verify(partial: string, expected: string, found: string): Promise<void> {
  if (found === expected) return;
  await removeAll(partial);
  throw new Refusal(
    422,
    `The upload is refused: its SHA-256 is ${found}, and ${expected} was announced; upload it again`,
  );
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of (await Deno.open(path)).readable) hash.update(chunk);
  return hash.digest("hex");
}

function isFull(error: unknown): boolean {
  return classifySystemError(error) === "no-space";
}
