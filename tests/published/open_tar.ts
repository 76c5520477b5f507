/**
 * The files of a tar archive, as `deno publish` writes it.
 *
 * @module
 */

const BLOCK = 512;

/**
 * Goes through the files of an archive.
 *
 * @param bytes The archive.
 * @returns Paths and contents, in order; folders and links are left out.
 */
export function* openTar(
  bytes: Uint8Array<ArrayBuffer>,
): Generator<readonly [path: string, content: Uint8Array<ArrayBuffer>], void, void> {
  const text = (at: number, length: number): string =>
    new TextDecoder().decode(bytes.subarray(at, at + length)).replace(/\0[\s\S]*$/, "");
  let longName = "";
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0;) {
    const prefix = text(at + 345, 155);
    const name = (prefix && text(at + 257, 5) === "ustar" ? `${prefix}/` : "") + text(at, 100);
    const size = parseInt(text(at + 124, 12).trim() || "0", 8);
    const type = text(at + 156, 1);
    const content = bytes.slice(at + BLOCK, at + BLOCK + size);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    if (type === "L") longName = new TextDecoder().decode(content).replace(/\0[\s\S]*$/, "");
    else {
      if (type === "0" || type === "") yield [(longName || name).replace(/^\.?\//, ""), content];
      longName = "";
    }
  }
}
