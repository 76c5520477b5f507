/**
 * What a process of this machine has used, where the system says so to us: on Linux, to those who may read everything.
 *
 * @module
 */

/** How many ticks a second of processor time has. Linux says 100 to everybody. */
const TICKS = 100;

/**
 * The processor time of a process and of its children that have ended, in seconds.
 *
 * @param pid Which.
 * @returns The time; nothing when it is not known.
 */
export function processUse(pid: number): number | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / TICKS;
}

/**
 * Begins to look at the most memory that a process holds.
 *
 * @param pid Which.
 * @returns Gives the most since then, in bytes; nothing when it is not known.
 */
export function peakMemory(pid: number): () => number | undefined {
  try {
    // 5: forget the peak so far.
    Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5", { create: false });
  } catch {
    // Then it is the peak since the process began.
  }
  return () => {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  };
}

/**
 * How much memory a process holds now, in bytes.
 *
 * @param pid Which.
 * @returns The memory; nothing when it is not known.
 */
export function heldMemory(pid: number): number | undefined {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
