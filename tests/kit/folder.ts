/**
 * Does something in a folder of its own, which is removed afterwards.
 *
 * @param use What to do.
 * @returns What that gives.
 */
export async function inFolder<T = void>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
