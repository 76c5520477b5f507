/**
 * Processes that a test has started, at their end.
 *
 * @module
 */

/**
 * Kills a coordinator at a random instant: it may have ended by itself just before.
 *
 * @param child Which.
 */
export function killIfThere(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

/**
 * Waits until this process has no child any more that works in a folder: shells of an executor that was closed see their run to its end, and go then.
 *
 * @param folder Which.
 */
export async function childrenGone(folder: string): Promise<void> {
  while (childrenIn(folder)) await new Promise((resolve) => setTimeout(resolve, 5));
}

function childrenIn(folder: string): boolean {
  for (const { name: pid } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const [state, parent] = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
      if (Number(parent) !== Deno.pid) continue;
      // One that nobody has waited for yet shows no folder any more.
      if (state === "Z" || Deno.readLinkSync(`/proc/${pid}/cwd`).startsWith(folder)) return true;
    } catch {
      // It has ended meanwhile.
    }
  }
  return false;
}
