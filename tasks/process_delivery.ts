/**
 * Bringing values to a script that sees our files, and taking what it made.
 *
 * A value that lies in a file of this machine is handed over by its own path. Everything else is copied into a folder of the attempt, streaming.
 * Outputs go to a place from which their repository can take them in one step, where it has one.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../core/attempt.ts";
import type { Codec } from "../core/codec.ts";
import { RepositoryError } from "../core/errors.ts";
import { isKey } from "../core/key.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import { directoryDriver } from "../repositories/directory.ts";
import { fileDriver } from "../repositories/files.ts";
import type { FilesystemRepository } from "../repositories/filesystem.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import { partOf } from "./agent.ts";
import type { Placed, Slot } from "./process_links.ts";

/** What a coordinator needs to know of an output in order to publish it: kept with the run. */
export interface NotedOutput {
  /** The name of the link. */
  readonly name: string;
  /** The key in the repository. */
  readonly key: string;
  /** Where the script puts it. */
  readonly path: string;
  /** Whether the repository takes it from there in one step. */
  readonly staged: boolean;
  /** Whether the place is a folder that was made before the run was there. */
  readonly made?: true | undefined;
  /** Where the script is told to put it, when that is another place. */
  readonly seen?: string | undefined;
}

/** What the name of the note ends in that says that all outputs were there. */
const COMPLETE = ".complete";

/** What the name of the note ends in that says which folders were made in repositories, one a line. */
const MADE = ".made";

const NOTES = [COMPLETE, MADE];

/** What the names of modules of bodies end in. */
const MODULES = ".modules";

/** After how long modules that no run needs are rubbish, in milliseconds. */
const ABANDONED = 3_600_000;

/** Drivers that have their values in files of this machine. */
interface LocalFiles {
  path?(key: string): string;
  staging?(key: string): Promise<string>;
  adopt?(key: string, path: string): Promise<void>;
}

const absolute = (path: string): string => path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;

/** Where the values of attempts lie, and how documents are written. */
export class Delivery {
  /** The folder of all attempts. */
  readonly #root: string;
  readonly #codec: Codec;
  readonly #together: boolean;

  /**
   * @param root The folder of all attempts.
   * @param codec How documents become files.
   * @param together Whether all outputs of an attempt are made in one folder of their own, and taken from there.
   */
  constructor(root: string, codec: Codec, together: boolean = false) {
    this.#root = root;
    this.#codec = codec;
    this.#together = together;
  }

  /** Where the modules of a body lie as long as a run may ask for them. */
  modules(task: string, digest: string): string {
    return `${this.#root}/${task}/${digest}${MODULES}`;
  }

  /** The folder of an attempt. It is there when something was copied. */
  folder({ task, job, replica, attempt }: Attempt): string {
    return `${this.#root}/${task}/${job}.${replica}.${attempt}`;
  }

  /**
   * Brings what a job reads, and makes room for what it writes.
   *
   * @param attempt Which attempt.
   * @param slots Its values.
   * @param signal When to stop.
   * @returns Where everything lies, and what must be kept in order to publish.
   */
  async deliver(
    attempt: Attempt,
    slots: readonly Slot[],
    signal: AbortSignal,
  ): Promise<{ readonly placed: readonly Placed[]; readonly outputs: readonly NotedOutput[] }> {
    const folder = this.folder(attempt);
    const placed: Placed[] = [];
    const outputs: NotedOutput[] = [];
    try {
      for (const [i, slot] of slots.entries()) {
        const file = isKey(slot.name) ? slot.name : `link-${i}`;
        if (slot.direction === "in") {
          placed.push({ ...slot, path: await this.#bring(slot, `${folder}/in`, file, signal) });
        } else {
          const room = await this.#room(attempt, slot, `${folder}/out`, file);
          placed.push({ ...slot, path: room.path });
          outputs.push({ name: slot.name, key: slot.key, ...room });
        }
      }
      return { placed, outputs };
    } catch (error) {
      await this.discard(attempt, outputs);
      throw error;
    }
  }

  /**
   * Makes room for what a job writes that does not see our files: the agent puts it there.
   *
   * @param attempt Which attempt.
   * @param slots Its outputs, each with where the script puts it.
   * @returns What must be kept in order to publish.
   */
  async rooms(attempt: Attempt, slots: readonly Placed[]): Promise<readonly NotedOutput[]> {
    const outputs: NotedOutput[] = [];
    try {
      for (const [i, slot] of slots.entries()) {
        const file = isKey(slot.name) ? slot.name : `link-${i}`;
        const room = await this.#room(attempt, slot, `${this.folder(attempt)}/out`, file);
        outputs.push({ name: slot.name, key: slot.key, seen: slot.path, ...room });
      }
      return outputs;
    } catch (error) {
      await this.discard(attempt, outputs);
      throw error;
    }
  }

  async #bring(slot: Slot, folder: string, file: string, signal: AbortSignal): Promise<string> {
    const { repository, key } = slot;
    const local = (repository.driver as LocalFiles).path?.(key);
    if (local !== undefined) return absolute(local);
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = await repository.has(key, { signal });
    const path = `${folder}/${file}${repository.kind === "metadata" ? this.#codec.extension : ""}`;
    // An input that need not be there: the script sees that its path leads nowhere.
    if (!found) return path;
    switch (repository.kind) {
      case "blob":
        await fileDriver(folder).write(file, await (repository as BlobRepository).open(key, { signal }), {
          signal,
        });
        break;
      case "filesystem":
        await directoryDriver(folder).write(
          file,
          await (repository as FilesystemRepository).entries(key, { signal }),
          { signal },
        );
        break;
      case "metadata":
        Deno.writeFileSync(
          path,
          await this.#codec.encode(await (repository as MetadataRepository).get(key, { signal })),
        );
        break;
      default:
        Deno.writeTextFileSync(path, "");
    }
    return path;
  }

  async #room(
    attempt: Attempt,
    { repository, key }: Slot,
    folder: string,
    file: string,
  ): Promise<Pick<NotedOutput, "path" | "staged" | "made">> {
    const driver = repository.driver as LocalFiles;
    if (!this.#together && driver.staging && driver.adopt) {
      const path = absolute(await driver.staging(key));
      if (repository.kind !== "filesystem") return { path, staged: true };
      // Whoever is killed before the run is there leaves a folder that nothing but this note tells of.
      this.#note(attempt, MADE, `${path}\n`);
      Deno.mkdirSync(path);
      return { path, staged: true, made: true };
    }
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = `${folder}/${file}${repository.kind === "metadata" ? this.#codec.extension : ""}`;
    if (repository.kind === "filesystem") Deno.mkdirSync(path, { recursive: true });
    if (this.#together) {
      // A container may be another user. Nobody else gets here: the folder above is this user's alone.
      Deno.chmodSync(folder, 0o777);
      if (repository.kind === "filesystem") Deno.chmodSync(path, 0o777);
    }
    return { path, staged: false };
  }

  /**
   * Whether a script has made an output: a file, or a folder that is not empty.
   *
   * An output that is gone from its place was taken by a coordinator that was killed afterwards, when that one had come so far as to decide.
   *
   * @param attempt Which attempt.
   * @param slot Which.
   * @param output Where it was to be.
   * @returns Whether it is there, or was taken before.
   */
  made(attempt: Attempt, slot: Slot, output: NotedOutput): "made" | "taken" | "missing" {
    const info = lstat(output.path);
    if (info?.isFile && slot.repository.kind !== "filesystem") return "made";
    if (info?.isDirectory && slot.repository.kind === "filesystem") {
      return [...Deno.readDirSync(output.path)].length > 0 ? "made" : "missing";
    }
    if (info !== undefined || !output.staged) return "missing";
    return lstat(this.folder(attempt) + COMPLETE) ? "taken" : "missing";
  }

  /**
   * Takes note that all that is expected was there, before the first of it is moved: from here on, what is gone has been published.
   *
   * @param attempt Which attempt.
   */
  decide(attempt: Attempt): void {
    this.#note(attempt, COMPLETE, "");
  }

  /** Takes a note of an attempt. */
  #note(attempt: Attempt, what: string, text: string): void {
    // Beside the folder, which is not there when nothing was copied: a file costs a third of a folder.
    const path = this.folder(attempt) + what;
    try {
      Deno.writeTextFileSync(path, text, { append: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      Deno.mkdirSync(`${this.#root}/${attempt.task}`, { recursive: true, mode: 0o700 });
      Deno.writeTextFileSync(path, text, { append: true });
    }
  }

  /**
   * Publishes an output that was made. Publishing it again is fine.
   *
   * @param slot Which.
   * @param output Where it lies.
   */
  async publish({ repository }: Slot, output: NotedOutput): Promise<void> {
    const { key, path } = output;
    if (output.staged) return await (repository.driver as LocalFiles).adopt!(key, path);
    const at = path.lastIndexOf("/");
    const [folder, file] = [path.slice(0, at), path.slice(at + 1)];
    switch (repository.kind) {
      case "blob":
        return await (repository as BlobRepository).put(key, (await Deno.open(path)).readable);
      case "filesystem":
        return await (repository as FilesystemRepository).put(
          key,
          (await directoryDriver(folder).entries(file))!,
        );
      case "metadata":
        return await (repository as MetadataRepository).set(key, await this.#decode(output));
      default:
        throw new RepositoryError(
          "unsupported",
          `Cannot write "${key}" of ${repository.name}: it holds keys only; link the repository that holds the values`,
          { operation: "write", subject: repository.name, key },
        );
    }
  }

  async #decode({ name, key, path }: NotedOutput): Promise<unknown> {
    const bytes = Deno.readFileSync(path);
    try {
      return await this.#codec.decode(bytes);
    } catch (error) {
      throw new RepositoryError(
        "invalid-value",
        `Cannot read output ${name} of "${key}" as ${this.#codec.name}: ${
          (error as Error).message
        }; have the script write ${this.#codec.name}`,
        { operation: "publish", subject: name, key, cause: error },
      );
    }
  }

  /**
   * Removes what was brought and what was not published.
   *
   * @param attempt Of which attempt.
   * @param outputs Its outputs.
   */
  async discard(attempt: Attempt, outputs: readonly NotedOutput[]): Promise<void> {
    for (const { path, staged } of outputs) {
      if (!staged) continue;
      await removeTree(path);
      await removeTree(partOf(path));
    }
    await removeTree(this.folder(attempt));
    await removeTree(this.folder(attempt) + COMPLETE);
    if (outputs.some(({ made }) => made)) await removeTree(this.folder(attempt) + MADE);
  }

  /**
   * Removes what coordinators that were killed have brought for runs that are no more. Only before the first run is started.
   *
   * @param task Of which task.
   * @param folders The folders of runs that are there, and files that these need.
   */
  async sweep(task: string, folders: ReadonlySet<string>): Promise<void> {
    const root = `${this.#root}/${task}`;
    if (lstat(root) === undefined) return;
    for (const { name } of [...Deno.readDirSync(root)]) {
      const path = `${root}/${name}`;
      if (folders.has(path) || NOTES.some((note) => folders.has(path.slice(0, -note.length)))) continue;
      const age = Date.now() - (lstat(path)?.mtime?.getTime() ?? Date.now());
      // Modules serve the next run as well.
      if (name.endsWith(MODULES) && age <= ABANDONED) continue;
      if (name.endsWith(MADE)) {
        for (const made of foldersOf(Deno.readTextFileSync(path))) await removeTree(made);
      }
      await removeTree(path);
    }
  }

  /** The error of an output that was not made. */
  static missing(
    attempt: Attempt,
    { name, key, path, seen = path }: NotedOutput,
    repository: string,
  ): string {
    return `${
      formatAttempt(attempt)
    } has ended well, but has not made output ${name} ("${key}" of ${repository}) at ${seen}; write it there, or mark the link { required: false }`;
  }
}

/** The folders that a note tells of. Half a line, which a full disk has cut, names nothing; and nothing but what was staged is meant. */
function foldersOf(note: string): readonly string[] {
  return note.split("\n").slice(0, -1).filter((path) => /^\/.*\/\.stage-[^/]+$/.test(path));
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return path === "" ? undefined : Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function removeTree(path: string): Promise<void> {
  const info = lstat(path);
  if (info === undefined) return;
  if (info.isDirectory) await Deno.remove(path, { recursive: true });
  else Deno.removeSync(path);
}
