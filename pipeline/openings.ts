/**
 * Who works with the stores of a pipeline: a locked file for each, in the state folder. One that is there and that nobody locks says that
 * its process was killed, or could not leave all in order: the next run looks for what was left.
 *
 * @module
 */
import { isThere } from "../core/files.ts";
import { currentOwner } from "../repositories/file_temp.ts";

/** That somebody works with the stores. */
export interface Opened {
  /**
   * Says that nobody does any more.
   *
   * @param inOrder Whether nothing can be left behind.
   */
  readonly close: (inOrder: boolean) => void;
}

/**
 * Says that this process works with the stores from now on.
 *
 * @param folder Where that is said. It is made when it is not there.
 * @returns What says the opposite.
 */
export function sayOpened(folder: string): Opened {
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (;;) {
    const path = `${folder}/${crypto.randomUUID()}`;
    const file = Deno.openSync(path, { write: true, createNew: true });
    // Whoever looks before it is locked takes it for one that was left, and may remove it.
    if (locks(file) && isThere(path)) {
      sayWho(file);
      return {
        close(inOrder) {
          try {
            if (inOrder) remove(path);
            // The process lives on.
            else file.truncateSync();
          } finally {
            file.close();
          }
        },
      };
    }
    file.close();
  }
}

/** Somebody who did not leave in order. */
export interface LeftOpen {
  /** The file that says so, to be removed once it was looked for what they have left. */
  readonly path: string;
  /** Which process it was, by the name in its unfinished files; empty when it may be alive. */
  readonly dead: string;
}

/**
 * Those who did not leave in order.
 *
 * @param folder Where that is said.
 * @returns Who they were.
 */
export function leftOpen(folder: string): readonly LeftOpen[] {
  // Whatever else has come to lie there, a folder perhaps, is nobody's word.
  const files = [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile);
  return files.flatMap(({ name }) => {
    const path = `${folder}/${name}`;
    try {
      using file = Deno.openSync(path, { read: true, write: true });
      return locks(file) ? [{ path, dead: Deno.readTextFileSync(path) }] : [];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  });
}

/**
 * Forgets those who did not leave in order: what they had left is gone.
 *
 * @param left What `leftOpen` has given.
 */
export function forgetOpen(left: readonly LeftOpen[]): void {
  for (const { path } of left) remove(path);
}

/** Says in a file which process this is. Where it cannot, as on a full disk, only their age tells of what it leaves. */
function sayWho(file: Deno.FsFile): void {
  try {
    file.writeSync(new TextEncoder().encode(currentOwner()));
  } catch {
    // Who frees the disk must be able to begin.
  }
}

/** Locks a file, unless somebody else has: whether it does. */
function locks(file: Deno.FsFile): boolean {
  return file.tryLockSync(true);
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
