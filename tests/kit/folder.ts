/**
 * Does something in a folder of its own, which is removed afterwards.
 *
 * @param use What to do.
 */
export async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
