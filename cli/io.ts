/**
 * Where the command line reads and writes, so that a test can hold the other end.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";

/** The standard streams and the terminal, as far as commands need them. */
export interface Io {
  /** Writes text to the standard output. */
  out(text: string): void;
  /** Writes text to the standard error. */
  err(text: string): void;
  /** Writes bytes to the standard output. */
  bytes(chunk: Bytes): void;
  /** The standard input. */
  input(): ReadableStream<Bytes>;
  /** Asks a question on the terminal; nothing when there is none or the person has left. */
  ask(question: string): string | undefined;
  /** Whether each stream is a terminal. */
  readonly terminal: { readonly in: boolean; readonly out: boolean; readonly err: boolean };
  /** Whether styled text is wanted on the standard output. */
  readonly color: boolean;
  /** The size of the terminal, asked anew at each call. */
  size(): { readonly columns: number; readonly rows: number };
}

/** What is taken for a terminal that does not tell its size. */
const USUAL = { columns: 80, rows: 24 };

function write(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += stream.writeSync(at === 0 ? bytes : bytes.subarray(at));
    } catch (error) {
      // The other end of a pipe may have made it non-blocking: wait until it takes more.
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

/** Whether styled text is wanted: not where NO_COLOR is set, `TERM` is `dumb`, or nobody looks. */
function wantsColor(terminal: boolean): boolean {
  if (Deno.noColor) return false;
  try {
    if (Deno.env.get("FORCE_COLOR")) return true;
    return terminal && Deno.env.get("TERM") !== "dumb";
  } catch {
    return terminal;
  }
}

/**
 * The streams of this process.
 *
 * @returns The streams.
 */
export function systemIo(): Io {
  const encoder = new TextEncoder();
  const terminal = {
    in: Deno.stdin.isTerminal(),
    out: Deno.stdout.isTerminal(),
    err: Deno.stderr.isTerminal(),
  };
  return {
    out: (text) => write(Deno.stdout, encoder.encode(text)),
    err: (text) => write(Deno.stderr, encoder.encode(text)),
    bytes: (chunk) => write(Deno.stdout, chunk),
    input: () => Deno.stdin.readable,
    ask: (question) => prompt(question) ?? undefined,
    terminal,
    color: wantsColor(terminal.out),
    size() {
      try {
        const { columns, rows } = Deno.consoleSize();
        // A pseudo-terminal that nobody has sized says 0 x 0.
        return columns > 0 && rows > 0 ? { columns, rows } : USUAL;
      } catch {
        return USUAL;
      }
    },
  };
}
