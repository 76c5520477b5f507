/** What executors have in common where the suite is run on them. */

/** How long the big output is, in bytes. */
export const BIG = Number(Deno.env.get("DATATASK_BIG") ?? 100_000_000);

/** Nothing holds the processes of a machine to their quota. */
export const noLimits = {
  case: "holds a run to its memory",
  because: "the quota of a process is counted, and nobody holds it to that",
} as const;

/** Cases that processes of this machine do not meet. */
export const noServer = [
  noLimits,
  {
    case: "sees runs to their end when the connection is cut",
    because: "there is no connection to processes of this machine",
  },
  {
    case: "sees runs to their end when what watches over them is restarted",
    because: "nothing but the coordinator watches over processes of this machine",
  },
] as const;
