/**
 * The identity of a state folder, by which its runs elsewhere are told from those of all others.
 *
 * @module
 */

/**
 * Reads an identity, and makes one up when there is none.
 *
 * @param path The file that holds it. Its folder is made when it is not there.
 * @returns The identity: it stays the same when the folder is moved.
 */
export async function stateIdentity(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true, mode: 0o700 });
  const temp = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(temp, crypto.randomUUID());
  try {
    // Whoever is first wins; a link, so that it is never there half-written.
    await Deno.link(temp, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  } finally {
    await Deno.remove(temp);
  }
  return await Deno.readTextFile(path);
}
