/**
 * What a host says of a run: its head, its record, and what follows from them.
 *
 * @module
 */
import type { ResourceUse } from "../executor.ts";

/** What a coordinator says of a run before it starts. */
export interface RunHead {
  /** The number of the layout of the folder. */
  readonly version: 1;
  /** Who asked for it: two requests of one uid are one. */
  readonly uid: string;
  /** When it was started, in milliseconds since 1970 by the clock of the coordinator. */
  readonly since: number;
  /** The answering shell that starts it: its pid, and when it began. */
  readonly by: string;
  /** The life of the host it is started in. */
  readonly boot: string;
  /** What was to be kept. */
  readonly notes: Readonly<Record<string, string>>;
}

/** What is in the folder of a run. */
export interface RawRun {
  /** What it is. */
  readonly head: RunHead;
  /** What became of it. */
  readonly record: SshRecord | undefined;
  /** Whether the shell itself left with its code, so that a code over 128 is no signal. */
  readonly ownCode: boolean;
  /** Whether its watching shell lives. */
  readonly alive: boolean;
}

/** What a record says. */
export type SshRecord =
  | { readonly is: "void" }
  | { readonly is: "begun" }
  | {
    readonly is: "claimed";
    /** The watching shell: its pid, and when it began. */
    readonly shell: string;
    /** The life of the host. */
    readonly boot: string;
    /** The exit code as a shell counts, once there is one. */
    readonly code: number | undefined;
    /** How long it ran, in milliseconds. */
    readonly ms: number;
    /** What it used. */
    readonly resources: ResourceUse;
  };

const seconds = (lines: string): number =>
  [...lines.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0);

function parseRecord(lines: readonly string[]): SshRecord {
  if (lines[0] === "void") return { is: "void" };
  const [, pid, started, boot, up] = /^claimed (\d+) (\S+) (\S*) ([\d.]+)$/.exec(lines[0] ?? "") ?? [];
  if (pid === undefined) return { is: "begun" };
  const exit = lines.map((line) => /^exit (\d+) ([\d.]+)$/.exec(line)).find((found) => found !== null);
  const end = exit ? Number(exit[2]) || Number(up) : Number(up);
  const times = lines.slice(1, 5);
  return {
    is: "claimed",
    shell: `${pid}.${started}`,
    boot: boot!,
    code: exit ? Number(exit[1]) : undefined,
    ms: Math.max(0, Math.round((end - Number(up)) * 1000)),
    // The first of two lines is the shell's own time, the second its children's.
    resources: exit && times.length === 4 && /m.*s$/.test(times[3]!)
      ? { cpuSeconds: Math.max(0, Math.round((seconds(times[3]!) - seconds(times[1]!)) * 1e6) / 1e6) }
      : {},
  };
}

/**
 * Puts together what is known of a run whose end was told.
 *
 * @param head What it is.
 * @param lines The lines of its record, and one more, `code`, when its shell itself left with its code.
 * @returns What is in its folder.
 */
export function toldRun(head: RunHead, lines: readonly string[]): RawRun {
  return { head, record: parseRecord(lines), ownCode: lines.at(-1) === "code", alive: false };
}

function parseHead(text: string): RunHead | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads what `look` and `list` answer: lines of `task/run/file:text`.
 *
 * @param lines The lines.
 * @returns The runs, by folder.
 */
export function parseRuns(lines: readonly string[]): ReadonlyMap<string, RawRun> {
  const files = new Map<string, Map<string, string[]>>();
  for (const line of lines) {
    const [, name, file, text] = /^([^/:]+\/[^/:]+)\/(head|record|code|alive):([^]*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    let run = files.get(name);
    if (!run) files.set(name, run = new Map());
    const found = run.get(file!);
    if (found) found.push(text!);
    else run.set(file!, [text!]);
  }
  const runs = new Map<string, RawRun>();
  for (const [name, run] of files) {
    const head = parseHead(run.get("head")?.[0] ?? "");
    if (!head) continue;
    const record = run.get("record");
    runs.set(name, {
      head,
      record: record && parseRecord(record),
      ownCode: run.has("code"),
      alive: run.has("alive"),
    });
  }
  return runs;
}
