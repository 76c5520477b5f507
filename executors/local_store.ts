/**
 * The folders of local runs: one per attempt, below `<state>/runs/<task>/<job>.<replica>.<attempt>/`.
 *
 * A folder appears in one step with its job in it, and loses the job first when it is forgotten: so a folder without one is rubbish, and
 * every other says by its record what became of the run.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import { type Bytes, encodeText } from "../core/bytes.ts";
import { ExecutorError } from "../core/errors.ts";
import { fileSink } from "../core/files.ts";
import { isKey } from "../core/key.ts";
import { localError, whetherFull } from "./local_error.ts";
import { type JobHead, jobHead, jobText, parseRecord, type RunRecord, VOID } from "./local_wrapper.ts";
import { isCoordinator, type OwnIdentity } from "./process_identity.ts";

/** Folders that are being filled. No task is called that: its name begins with a dot. */
const STAGING = ".new";

/** How many used folders are kept for other runs at the most. */
const MAX_SPARE = 64;

/** What a folder holds, when it is known that it is one. */
export interface StoredRun {
  /** What was said of it before it started. */
  readonly head: JobHead;
  /** `undefined`: nobody has claimed it; `"begun"`: somebody is about to. */
  readonly record: RunRecord | "begun" | undefined;
  /** When the record last changed, in milliseconds since 1970. */
  readonly touched: number;
}

/** What a new folder needs. */
export interface NewRun {
  readonly script: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly notes: Readonly<Record<string, string>>;
  readonly stdin: ReadableStream<Bytes> | undefined;
  readonly splitStderr: boolean;
  readonly interpreter: readonly string[] | undefined;
}

function tryRead(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function tryRemove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Removes a folder. Another task of this pipeline, or a report, may do so at the same time. */
async function removeAll(folder: string): Promise<void> {
  try {
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Writes a file over what is there, which is much cheaper than removing it and making another. */
function writeOver(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, create: true, mode: 0o600 });
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.truncateSync(bytes.length);
}

/** Makes a used folder as good as new; `false` when its run has left more than what every run leaves. */
function isClean(folder: string): boolean {
  tryRemove(`${folder}/record`);
  tryRemove(`${folder}/stdout`);
  for (const { name } of Deno.readDirSync(folder)) if (name !== "cwd" && name !== "job") return false;
  const cwd = Deno.lstatSync(`${folder}/cwd`);
  if (!cwd.isDirectory || ((cwd.mode ?? 0) & 0o700) !== 0o700) return false;
  for (const _ of Deno.readDirSync(`${folder}/cwd`)) return false;
  return true;
}

const isNotEmpty = (error: unknown): boolean =>
  error instanceof Deno.errors.AlreadyExists || /not empty|exists/i.test((error as Error).message);

/** The folders of the runs of one executor. */
export class RunStore {
  /** The folder that holds them. */
  readonly root: string;
  readonly #identity: OwnIdentity;
  readonly #made = new Set<string>();
  /** Whether its folder was made: who only looks needs none. */
  #prepared = false;
  #next = 0;
  /** Folders that were used and are empty again: making and removing a folder costs more than a run. */
  readonly #spare: string[] = [];
  readonly #unique = crypto.randomUUID().slice(0, 8);

  /**
   * @param root The folder that holds them.
   * @param identity Who makes them.
   */
  constructor(root: string, identity: OwnIdentity) {
    this.root = root;
    this.#identity = identity;
  }

  /** Where a run lies, relative to the root. */
  static nameOf(attempt: Attempt): string {
    return `${attempt.task}/${attempt.job}.${attempt.replica}.${attempt.attempt}`;
  }

  /** Makes the folder, and removes what killed coordinators have begun and not finished. */
  async prepare(): Promise<void> {
    const staging = `${this.root}/${STAGING}`;
    Deno.mkdirSync(staging, { recursive: true, mode: 0o700 });
    for (const { name } of Deno.readDirSync(staging)) {
      const [pid, started] = name.split(".");
      // A process of our pid is us only when it began when we did: in containers all have the same.
      if (await isCoordinator([Number(pid), started!])) continue;
      await removeAll(`${staging}/${name}`);
    }
    this.#prepared = true;
  }

  /**
   * What to say when somebody has deleted the folder while it is used: that is not the fault of any script.
   *
   * @param subject What was to be started.
   * @param executor Where.
   * @returns The error; nothing when the folder is there.
   */
  gone(subject: string, executor: string): ExecutorError | undefined {
    try {
      Deno.statSync(`${this.root}/${STAGING}`);
      return undefined;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) return undefined;
      return new ExecutorError(
        "io",
        `Cannot start ${subject} on ${executor}: the folder ${this.root} was deleted while it was in use; run again, which makes it anew`,
        { operation: "start", cause: error },
      );
    }
  }

  /**
   * Makes the folder of a run, whole.
   *
   * @param attempt Which.
   * @param run What it shall be.
   * @param shell Who is to run it.
   * @param signal When to stop.
   * @returns What is kept of it.
   */
  async create(
    attempt: Attempt,
    run: NewRun,
    shell: readonly [pid: number, name: string],
    signal: AbortSignal | undefined,
  ): Promise<JobHead> {
    if (!this.#prepared) await this.prepare();
    const name = RunStore.nameOf(attempt);
    const { by, boot } = this.#identity;
    const spare = this.#spare.pop();
    const fresh = spare ?? this.#staging();
    const folder = `${this.root}/${name}`;
    const head: JobHead = { version: 1, since: Date.now(), by, shell, boot, notes: run.notes };
    try {
      if (spare === undefined) {
        Deno.mkdirSync(fresh, { mode: 0o700 });
        Deno.mkdirSync(`${fresh}/cwd`);
      }
      if (run.interpreter) Deno.writeTextFileSync(`${fresh}/script`, run.script, { mode: 0o600 });
      if (run.stdin) {
        const file = await Deno.open(`${fresh}/stdin`, { write: true, createNew: true, mode: 0o600 });
        await run.stdin.pipeTo(fileSink(file), signal ? { signal } : {});
      }
      const text = jobText(head, { ...run, folder, stdin: run.stdin !== undefined });
      writeOver(`${fresh}/job`, encodeText(text));
      await this.#show(fresh, name, attempt);
      return head;
    } catch (error) {
      await Deno.remove(fresh, { recursive: true }).catch(() => {});
      throw error;
    }
  }

  #staging(): string {
    const [pid, started] = this.#identity.by;
    return `${this.root}/${STAGING}/${pid}.${started}.${this.#unique}.${this.#next++}`;
  }

  async #show(fresh: string, name: string, attempt: Attempt): Promise<void> {
    if (!this.#made.has(attempt.task)) {
      Deno.mkdirSync(`${this.root}/${attempt.task}`, { recursive: true, mode: 0o700 });
      this.#made.add(attempt.task);
    }
    const folder = `${this.root}/${name}`;
    try {
      Deno.renameSync(fresh, folder);
    } catch (error) {
      if (!isNotEmpty(error)) throw error;
      if (tryRead(`${folder}/job`) !== undefined) {
        throw new ExecutorError(
          "already-exists",
          `Cannot start ${formatAttempt(attempt)}: it was started before; wait for it, or stop and forget it`,
          { operation: "start", subject: attempt.task, key: attempt.job },
        );
      }
      await Deno.remove(folder, { recursive: true });
      Deno.renameSync(fresh, folder);
    }
  }

  /**
   * Reads what a folder holds.
   *
   * @param name Which, relative to the root.
   * @param known The head, when it is known.
   * @returns What it holds; nothing when there is no run.
   */
  read(name: string, known?: JobHead): StoredRun | undefined {
    const folder = `${this.root}/${name}`;
    const head = known ?? this.#head(folder);
    if (!head) return undefined;
    const text = tryRead(`${folder}/record`);
    if (text === undefined) return { head, record: undefined, touched: head.since };
    const record = parseRecord(text) ?? "begun";
    try {
      return { head, record, touched: Deno.statSync(`${folder}/record`).mtime?.getTime() ?? head.since };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  #head(folder: string): JobHead | undefined {
    const text = tryRead(`${folder}/job`);
    return text === undefined ? undefined : jobHead(text);
  }

  /** Whether the shell itself left with a code over 128, so that the code is no signal. */
  leftWithCode(name: string): boolean {
    return tryRead(`${this.root}/${name}/code`) !== undefined;
  }

  /** Whether a run has written nothing. */
  isSilent(name: string): boolean {
    return ["stdout", "stderr"].every((stream) => !tryRead(`${this.root}/${name}/${stream}`));
  }

  /**
   * Takes a run that nobody has claimed, so that it never runs.
   *
   * @param name Which.
   * @returns Whether it was taken; `false` when somebody was quicker.
   */
  take(name: string): boolean {
    try {
      Deno.writeTextFileSync(`${this.root}/${name}/record`, VOID, { createNew: true, mode: 0o600 });
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      if (error instanceof Deno.errors.NotFound) return true;
      throw localError(`take over the run ${name}`, error, "io", this.root);
    }
  }

  /**
   * What to say of a disk that has no room for a file of one block more: most of what a run does in its folder fails then, without a word.
   *
   * @returns A clause that names the folder; nothing when there is room, or when that cannot be told.
   */
  full(): string | undefined {
    return whetherFull(this.root, this.#staging());
  }

  /** Writes the end of a run whose watching shell was ended together with it. */
  finish(name: string, code: number): void {
    Deno.writeTextFileSync(`${this.root}/${name}/record`, `\nexit ${code}\n`, {
      append: true,
      create: false,
    });
  }

  /** Removes a folder, the job first. Nothing to remove is fine. */
  async remove(name: string): Promise<void> {
    const folder = `${this.root}/${name}`;
    tryRemove(`${folder}/job`);
    try {
      // What nearly every run leaves, without a look at the folder.
      tryRemove(`${folder}/record`);
      tryRemove(`${folder}/stdout`);
      tryRemove(`${folder}/cwd`);
      tryRemove(folder);
    } catch {
      await removeAll(folder);
    }
  }

  /**
   * Removes a folder whose run has left nothing, and keeps it for another where it is as good as new.
   *
   * @param name Which.
   */
  async recycle(name: string): Promise<void> {
    if (this.#spare.length >= MAX_SPARE) return await this.remove(name);
    const folder = this.#staging();
    try {
      // Gone from here on, in one step; what follows concerns nobody but us.
      Deno.renameSync(`${this.root}/${name}`, folder);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    if (isClean(folder)) this.#spare.push(folder);
    else await Deno.remove(folder, { recursive: true });
  }

  /** Removes the folders that are kept for another run. */
  async close(): Promise<void> {
    for (const folder of this.#spare.splice(0)) await Deno.remove(folder, { recursive: true });
  }

  /** All runs, by folder. */
  *names(task?: string): Generator<readonly [name: string, attempt: Attempt], void, void> {
    const list = (path: string): Iterable<Deno.DirEntry> => {
      try {
        return [...Deno.readDirSync(path)];
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    };
    const tasks = task === undefined ? [...list(this.root)].map((entry) => entry.name).filter(isKey) : [task];
    for (const folder of tasks) {
      for (const { name } of list(`${this.root}/${folder}`)) {
        const [, job, replica, attempt] = /^(.+)\.(\d+)\.(\d+)$/.exec(name) ?? [];
        if (job === undefined) continue;
        yield [`${folder}/${name}`, {
          task: folder,
          job,
          replica: Number(replica),
          attempt: Number(attempt),
        }];
      }
    }
  }
}
