/**
 * Names of stores, as short as they can be read from the current folder.
 *
 * @module
 */

/**
 * Shortens the paths in a text that lie in the current folder.
 *
 * @param text A text with absolute paths, such as the name of a repository.
 * @param cwd The current folder. Default: as it is; nothing is shortened where it may not be asked for.
 * @returns `files ./books/*.txt` in place of `files /home/me/books/*.txt`
 */
export function near(text: string, cwd: string | undefined = currentFolder()): string {
  return cwd === undefined || cwd === "/" || cwd === "" ? text : text.replaceAll(`${cwd}/`, "./");
}

function currentFolder(): string | undefined {
  try {
    return Deno.cwd();
  } catch {
    return undefined;
  }
}
