/**
 * The file system as the rest of datatask sees it: one record of functions, so that a test can make the n-th call fail.
 *
 * @module
 */

/** The calls that datatask makes to the file system. Wrap it to inject faults. */
export interface Files {
  /** Opens a file. */
  open(path: string, options: Deno.OpenOptions): Promise<Deno.FsFile>;
  /** Reads a whole file. */
  readFile(path: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Reads a whole file that is small: it may block. */
  readSmall(path: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Writes a whole new file; fails when there is one. For small values: it may block. */
  writeNew(path: string, bytes: Uint8Array): Promise<void>;
  /** Puts a file or folder in another's place in one step. */
  rename(from: string, to: string): Promise<void>;
  /** Gives a file a second name; fails when there is one of that name. */
  link(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with all that is in it. */
  remove(path: string, options?: { readonly recursive?: boolean }): Promise<void>;
  /** Makes a folder. */
  mkdir(path: string, options?: { readonly recursive?: boolean; readonly mode?: number }): Promise<void>;
  /** Lists a folder. One call: a folder of 100,000 takes about 0.1 s. */
  readDir(path: string): Promise<Iterable<Deno.DirEntry>>;
  /** Looks at a file, following links. */
  stat(path: string): Promise<Deno.FileInfo>;
  /** Looks at a file or link. */
  lstat(path: string): Promise<Deno.FileInfo>;
  /** Sets the mode of a file. */
  chmod(path: string, mode: number): Promise<void>;
  /** Sets when a file was last changed, in milliseconds since 1970. */
  touch(path: string, modified: number): Promise<void>;
  /** Makes a symbolic link. */
  symlink(target: string, path: string): Promise<void>;
  /** Reads a symbolic link. */
  readLink(path: string): Promise<string>;
}

const attempt = <T>(call: () => T): Promise<T> => {
  try {
    return Promise.resolve(call());
  } catch (error) {
    return Promise.reject(error);
  }
};

/**
 * The file system of this machine. Calls on names and small values are made synchronously: they take 10 to 30 microseconds, which is
 * less than a promise's way through the thread pool.
 */
export const systemFiles: Files = {
  open: (path, options) => Deno.open(path, options),
  readFile: (path) => Deno.readFile(path),
  readSmall: (path) => attempt(() => Deno.readFileSync(path)),
  writeNew: (path, bytes) => attempt(() => Deno.writeFileSync(path, bytes, { createNew: true })),
  rename: (from, to) => attempt(() => Deno.renameSync(from, to)),
  link: (from, to) => attempt(() => Deno.linkSync(from, to)),
  remove: (path, options) =>
    options?.recursive ? Deno.remove(path, options) : attempt(() => Deno.removeSync(path)),
  mkdir: (path, options) => attempt(() => Deno.mkdirSync(path, options)),
  readDir: (path) => attempt(() => Deno.readDirSync(path)),
  stat: (path) => attempt(() => Deno.statSync(path)),
  lstat: (path) => attempt(() => Deno.lstatSync(path)),
  chmod: (path, mode) => attempt(() => Deno.chmodSync(path, mode)),
  touch: (path, modified) => attempt(() => Deno.utimeSync(path, modified / 1000, modified / 1000)),
  symlink: (target, path) => attempt(() => Deno.symlinkSync(target, path)),
  readLink: (path) => attempt(() => Deno.readLinkSync(path)),
};

/**
 * Writes all of some bytes into an open file.
 *
 * @param file The file, open for writing.
 * @param bytes What to write.
 */
export async function writeWhole(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(at === 0 ? bytes : bytes.subarray(at));
}

/**
 * An open file as the end of a stream, which closes it. `file.writable` and `Deno.writeFile(path, stream)` say nothing when the last write fails, as
 * on a disk that is full.
 *
 * @param file The file, open for writing.
 * @returns Where to pipe bytes.
 */
export function fileSink(file: Deno.FsFile): WritableStream<Uint8Array> {
  return new WritableStream({
    async write(chunk) {
      try {
        await writeWhole(file, chunk);
      } catch (error) {
        // Nothing is called any more after this.
        file.close();
        throw error;
      }
    },
    close: () => file.close(),
    abort: () => file.close(),
  });
}

/**
 * Whether there is something of a name, links followed.
 *
 * @param path The name.
 * @returns Whether there is.
 */
export function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
